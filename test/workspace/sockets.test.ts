import { chmodSync, chownSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBubblewrap } from "../../workers/workspace/sandbox/bubblewrap.ts";
import { isRoot } from "../../workers/workspace/sandbox/slots.ts";
import type { StagedBoxes } from "../support/worlds/boxes.ts";
import { makePassableFolder, openTestArea, runInBox, stageBoxes } from "../support/worlds/boxes.ts";
import type { Talked } from "./scripts/talk-over-sockets.ts";

let staged: StagedBoxes;
beforeAll(() => {
  staged = stageBoxes();
});
afterAll(() => staged.remove());

// class uid gives each slot a host user of its own, which only root can
describe.skipIf(!isRoot())("class uid (skipped unless the tests run as root)", () => suite("root"));
describe("class userns", () => suite("ordinary user"));

function suite(as: "root" | "ordinary user"): void {
  let talked: Talked;

  beforeAll(async () => {
    const child = staged.start("test/workspace/scripts/talk-over-sockets.ts", [], as);
    let said = "";
    for await (const chunk of child.stdout) said += chunk;
    expect(await child.ended).toEqual({ exitCode: 0, stderr: "" });
    talked = JSON.parse(said);
  });

  it("a program talks over the socket that its box was given, reaches no other, and can't touch it", () => {
    expect(talked.tries).toEqual({
      given: "given: hello",
      again: "given: hello",
      bySourcePath: "ENOENT",
      beside: "ENOENT",
      besideIt: ["model.sock"],
      changed: "EROFS",
      removed: expect.stringMatching(/^(EBUSY|EROFS)$/),
      moved: expect.stringMatching(/^(EBUSY|EROFS|EXDEV)$/),
    });
  });

  it("connections that nobody reads count as memory of the box", () => {
    expect(talked.filled.limit?.name).toBe("memory");
  });
}

describe("a socket is refused", () => {
  it.each([
    ["that is a file", (at: string) => writeFileSync(at, ""), /as a socket: it is none/],
    ["that a link leads to", (at: string) => symlinkSync("/etc/passwd", at), /must be an absolute path without links/],
    [
      "that the box may not connect to",
      async (at: string) => {
        await new Promise<void>((resolve) => createServer().unref().listen(at, resolve));
        if (isRoot()) chownSync(at, 0, 0);
        chmodSync(at, 0o555);
      },
      /may not connect to it; chown it to the owner of the box's slot/,
    ],
  ])("%s", async (_, make, rule) => {
    const { area, remove } = await openTestArea();
    const hostPath = join(makePassableFolder(), "socket");
    await make(hostPath);
    const sockets = [{ hostPath, path: "/run/socket" }];
    const running = runInBox({ area, sandbox: createBubblewrap({ area }) }, ["true"], { sockets });
    await expect(running).rejects.toThrow(rule);
    await expect(running).rejects.toMatchObject({ code: "sandbox_failed" });
    await remove();
  });
});
