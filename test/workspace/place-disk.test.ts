import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRoot } from "../../workers/workspace/sandbox/slots.ts";
import type { StagedBoxes } from "../support/worlds/boxes.ts";
import { stageBoxes } from "../support/worlds/boxes.ts";
import type { Filled } from "./scripts/fill-disk.ts";

const limitBytes = 32 * 2 ** 20;
let staged: StagedBoxes;
beforeAll(() => {
  staged = stageBoxes();
});
afterAll(() => staged.remove());

async function told(script: string, as: "root" | "ordinary user"): Promise<unknown> {
  const child = staged.start(`test/workspace/scripts/${script}.ts`, [], as);
  let said = "";
  for await (const chunk of child.stdout) said += chunk;
  expect(await child.ended).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(said);
}

const fill = async (as: "root" | "ordinary user") => (await told("fill-disk", as)) as Filled;

// only root can mount a file system for a place
describe.skipIf(!isRoot())("a place of class uid (skipped unless the tests run as root)", () => {
  it("ends just above its limit, in bytes and in files, whatever a program takes at once, and is gone with the run", async () => {
    const { ends, refusal, mounted, left, faultOfDisks } = await fill("root");
    expect(faultOfDisks).toBeUndefined();
    const [within, beyond, files] = ends;
    expect(within).toEqual({ exitCode: 0, isStopped: false, said: "0 0" });
    expect(beyond?.said).toMatch(/^taken taken( 28)+$/);
    expect(files?.said).toMatch(/^(28)?$/);
    for (const end of [beyond, files]) {
      expect(end?.limit).toMatchObject({ name: "disk", mechanism: "hard", limit: String(limitBytes) });
      expect(Number(end?.limit?.peak)).toBeLessThan(limitBytes + 4 * 2 ** 20);
    }
    expect({ refusal, mounted, left }).toEqual({ refusal: "disk_limit", mounted: 1, left: [] });
  });

  it("whose host has no room left says that something was lost, so that nobody takes it for the work", async () => {
    expect(await told("fill-host", "root")).toEqual({ early: "kept", late: "run_area_unusable" });
  });
});

describe("a place of class userns", () => {
  it("takes no room that is not written, and is watched", async () => {
    const { ends, refusal, mounted } = await fill("ordinary user");
    const [within, beyond, files] = ends;
    expect(within).toEqual({ exitCode: 0, isStopped: false, said: "-1 -1" });
    expect(beyond).toMatchObject({ said: Array(9).fill("95").join(" ") });
    expect(files?.limit).toMatchObject({ name: "disk", mechanism: "watchdog", limit: String(limitBytes) });
    expect({ refusal, mounted }).toEqual({ refusal: "ENOSPC", mounted: 0 });
  });
});
