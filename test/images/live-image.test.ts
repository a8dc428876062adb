import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildLiveImage, liveImage } from "../support/containers/build-images.ts";
import type { ContainerStack } from "../support/containers/container-stack.ts";
import { startContainerStack } from "../support/containers/container-stack.ts";
import { containerArgv, inContainer, restricted } from "../support/containers/run-container.ts";
import { waitUntil } from "../support/worlds/api.ts";

/** The image that Tilt runs: sources that are replaced. */
let volume: string;
beforeAll(() => {
  buildLiveImage();
  volume = mkdtempSync(join(tmpdir(), "automation-live-"));
  chmodSync(volume, 0o777); // the container's user has another number
}, 600_000);
afterAll(() => rmSync(volume, { recursive: true, force: true }));

it("runs as it was built when there is no volume", async () => {
  expect(await inContainer(liveImage, ["version"])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^automation /),
  });
});

describe("its processes", () => {
  let stack: ContainerStack;
  /** As pods have them; the compiler of workflows unpacks itself into /tmp. */
  const volumes = ["--tmpfs=/tmp", "--tmpfs=/live"];
  beforeAll(async () => {
    stack = await startContainerStack(AbortSignal.timeout(300_000));
  });
  afterAll(async () => await stack?.close());

  it("begin with the migration", async () => {
    expect(await stack.migrate(liveImage)).toEqual({ code: 0, signal: null });
  });

  it.each(["api", "dispatcher", "relay", "worker"])(
    "run as %s from sources, with a read-only root, until they are ready",
    async (name) => {
      await stack.start(name, liveImage, volumes);
      expect(stack.logOf(name)).not.toMatch(/"level":"(error|fatal)"|starts again after the next change/);
    },
  );
});

it("starts again with what is put into its volume, and ends at SIGTERM", async () => {
  const flags = [...restricted, `--volume=${volume}:/live`];
  const [command = "", ...args] = containerArgv({ image: liveImage, args: ["relay"], flags });
  const container = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let told = "";
  for (const stream of [container.stdout, container.stderr]) stream.on("data", (chunk) => (told += chunk));
  try {
    await waitUntil(async () => told.includes("the environment of relay is not usable"));
    const source = join(volume, "src", "cli", "automation.ts");
    writeFileSync(source, `console.log("what was changed");\n${readFileSync(source, "utf8")}`);
    await waitUntil(async () => told.includes("what was changed"));
  } finally {
    container.kill("SIGTERM");
    if (container.exitCode === null) await once(container, "exit");
  }
});
