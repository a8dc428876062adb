import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { WorkflowBundleWithSourceMap } from "@temporalio/worker";
import { Worker } from "@temporalio/worker";
import { DeterminismViolationError } from "@temporalio/workflow";
import { beforeAll, describe, expect, it } from "vitest";
import { bundleWorkflows } from "../../workers/automation/control-worker.ts";
import { muteTemporal, silent } from "../support/engines/silent-temporal.ts";

const folder = join(import.meta.dirname, "histories");
const names = readdirSync(folder).map((file) => file.replace(/\.json$/, ""));
const textOf = (name: string) => readFileSync(join(folder, `${name}.json`), "utf8");

let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  muteTemporal();
  workflowBundle = await bundleWorkflows(silent);
});

const replay = (history: unknown) => Worker.runReplayHistory({ workflowBundle, replayName: "recorded" }, history);

describe("the workflow still takes every turn of a recorded history", () => {
  it("has the histories of each kind of end, and of an api, a receiver and a worker that failed meanwhile, and of a run that the api ended", () => {
    expect(names.sort()).toEqual([
      "abort-repeated",
      "api-away",
      "cancelled-while-waiting",
      "cancelled-while-working",
      "completed",
      "completed-in-one-call",
      "ended-by-api",
      "handoff-waited",
      "timed-out",
      "verdict-failed",
      "work-failed",
      "work-repeated",
      "worked",
    ]);
  });

  it.each(names)("%s", async (name) => {
    await replay(JSON.parse(textOf(name)));
  });

  it("notices a history that it would not have made", async () => {
    const other = textOf("timed-out").replaceAll("awaitHandoff", "anotherActivity");
    await expect(replay(JSON.parse(other))).rejects.toBeInstanceOf(DeterminismViolationError);
  });
});
