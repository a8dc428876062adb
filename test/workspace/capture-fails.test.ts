import { fromJson, toJsonString } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StepJson } from "../../src/gen/automation/v1/automation_plan_pb.ts";
import { WorkReportSchema } from "../../src/gen/automation/v1/run_work_pb.ts";
import type { WorkWorld } from "../support/worlds/work-world.ts";
import { startWorkWorld } from "../support/worlds/work-world.ts";

const mebibyte = 1024 ** 2;
const command = (script: string): StepJson => ({ id: "change", command: { argv: ["sh", "-ec", script] } });

let world: WorkWorld;
beforeAll(async () => {
  world = await startWorkWorld([66, 67]);
});
afterAll(() => world.close());

describe("work whose workspace can't be captured", () => {
  it("ends by its own cause, with what its steps said, when the patch is too large", async () => {
    const steps = [
      command('echo hello; node -e \'require("fs").writeFileSync("a", require("crypto").randomBytes(200000))\''),
    ];
    const done = await world.work({ files: { b: "b\n" }, steps, limits: { patchBytes: "100000" } });
    expect(done.report).toMatchObject({
      outcome: "WORK_OUTCOME_FAILED",
      cause: "capture_failed",
      reason: expect.stringContaining("patch is larger than 100000 bytes"),
    });
    expect(done.step("change")?.state).toBe("STEP_STATE_DONE");
    expect(done.text("logs/change.log")).toBe("hello\n");
    expect(done.line("steps-done")).toContain("patch is larger");
    expect(done.left).toEqual([]);
  });

  it("is told by its step when that failed first", async () => {
    const steps = [
      command('node -e \'require("fs").writeFileSync("a", require("crypto").randomBytes(200000))\'; exit 3'),
    ];
    const done = await world.work({ files: { b: "b\n" }, steps, limits: { patchBytes: "100000" } });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "step_failed" });
  });
});

describe("a report stays within what the api takes", () => {
  it("with a thousand left-out files of the longest names", async () => {
    const script = `
      const { mkdirSync, writeFileSync } = require("fs");
      let folder = Buffer.from(".");
      const name = Buffer.alloc(250, 0xc3);
      for (let depth = 0; depth < 11; depth += 1) folder = Buffer.concat([folder, Buffer.from("/" + "d".repeat(250))]);
      mkdirSync(folder, { recursive: true });
      for (let n = 0; n < 1500; n += 1) writeFileSync(Buffer.concat([folder, Buffer.from("/" + n), name.subarray(0, 200)]), "");`;
    const steps: StepJson[] = [{ id: "change", command: { argv: ["node", "-e", script] } }];
    const { report } = await world.work({ files: { b: "b\n" }, steps });
    expect(report.capture?.skipped).toHaveLength(1001);
    expect(toJsonString(WorkReportSchema, fromJson(WorkReportSchema, report)).length).toBeLessThan(2 * mebibyte);
  });

  it("or ends by its cause, where the list of changes does not", async () => {
    const script = 'for (let n = 0; n < 16000; n += 1) require("fs").writeFileSync(String(n).padEnd(220, "n"), "")';
    const steps: StepJson[] = [{ id: "change", command: { argv: ["node", "-e", script] } }];
    const { report } = await world.work({ files: { b: "b\n" }, steps, limits: { patchBytes: String(32 * mebibyte) } });
    expect(report).toMatchObject({ cause: "capture_failed", reason: expect.stringContaining("16000 changes") });
  });
});
