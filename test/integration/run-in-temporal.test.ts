import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RunToStart } from "../../src/admission/workflows.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { waitUntil } from "../support/worlds/api.ts";
import { failedVerdict, pending } from "../support/worlds/scripted-api.ts";
import type { WorkflowWorld } from "../support/worlds/workflow-world.ts";
import { aRun, startRun, startWorkflowWorld } from "../support/worlds/workflow-world.ts";

/** What somebody sees of a run who looks at Temporal alone. */
let world: WorkflowWorld;
beforeAll(async () => {
  world = await startWorkflowWorld();
});
afterAll(() => world?.stop());

it("shows a run in Temporal by what it is and by its references as the program takes them, with goal and versions in the memo", async () => {
  const sprint = { kind: "sprint", id: "sprint-7", parent: { kind: "product", id: "shop" } };
  const references = {
    timeboxes: [sprint],
    goals: [{ kind: "sprint_goal", id: "discounts", parent: sprint }],
    workItems: [{ kind: "backlog_item", id: "PBI-77" }],
  };
  const personas = ["1.0.0", "2.0.0"].map((version) => ({ id: "test-fixer", version }));
  const run = aRun({
    fairnessKey: "repository/shop",
    tenant: "umbrella",
    references,
    personas,
    goal: "mend the discount",
  });
  const handle = await startRun(world, run);
  await handle.result();
  const { memo, priority, searchAttributes } = await handle.describe();
  expect(JSON.stringify({ memo, searchAttributes })).not.toContain(run.startCapability);
  expect(memo).toMatchObject({
    goal: "mend the discount",
    definition: "increment-evidence@1.0.0",
    profile: "scrum-team@1",
    personas: ["test-fixer@1.0.0", "test-fixer@2.0.0"],
    references: ["backlog_item:PBI-77", "sprint_goal:discounts", "sprint:sprint-7", "product:shop"],
  });
  expect(searchAttributes).toMatchObject({
    TenantId: ["umbrella"],
    DefinitionId: ["increment-evidence"],
    CadenceId: ["sprint:sprint-7"],
    PersonaKeys: ["test-fixer"],
    ReferenceIds: ["backlog_item:PBI-77", "sprint_goal:discounts", "sprint:sprint-7", "product:shop"],
  });
  expect(priority).toMatchObject({ priorityKey: 3, fairnessKey: "umbrella/repository/shop" });
});

it("tells Temporal the end that the api sealed: as an attribute, in the memo, and as the result", async () => {
  const artifacts = [{ name: "events.ndjson", uri: "automation://acme/run/1/events.ndjson" }];
  const attestations = [{ id: "a-1", name: "agent-run", outcome: "FAILED" }];
  const [committed, aborted, overtaken] = [aRun(), aRun(), aRun()];
  world.api.script(committed.runId, { commitSeal: () => ({ committed: true, result: { artifacts, attestations } }) });
  world.api.script(aborted.runId, {
    prepareSeal: () => failedVerdict,
    abortSeal: () => ({ reason: "no tests", verdict: { unmet: ["tests missing"] }, artifacts, artifactsLeftOut: 3 }),
  });
  world.api.script(overtaken.runId, {
    prepareSeal: () => failedVerdict,
    abortSeal: () => ({ outcome: RunStatus.CANCELLED, reason: "cancelled by ann" }),
  });
  const shown = async (run: RunToStart) => {
    const handle = await startRun(world, run);
    const result = await handle.result();
    const { status, searchAttributes, memo } = await handle.describe();
    return { status: status.name, outcome: searchAttributes.RunOutcome, memo, result };
  };
  expect(await shown(committed)).toMatchObject({
    status: "COMPLETED",
    outcome: ["COMPLETED"],
    memo: { artifacts },
    result: { outcome: "RUN_STATUS_COMPLETED", artifacts, attestations },
  });
  expect(await shown(aborted)).toMatchObject({
    status: "COMPLETED",
    outcome: ["FAILED"],
    memo: { artifacts, artifactsLeftOut: 3, reason: "no tests", profile: "scrum-team@1" },
    result: { outcome: "RUN_STATUS_FAILED", verdict: { unmet: ["tests missing"] } },
  });
  expect(await shown(overtaken)).toMatchObject({ outcome: ["CANCELLED"], memo: { reason: "cancelled by ann" } });
});

it("is found by every query that the documentation prints", async () => {
  const references = {
    timeboxes: [{ kind: "sprint", id: "S-7" }],
    workItems: [{ kind: "backlog_item", id: "PBI-42" }],
  };
  const personas = [{ id: "test-fixer", version: "1" }];
  const run = () => aRun({ org: "retail", definitionId: "story-repair", cadenceId: "S-7", references, personas });
  const [failed, open, terminated] = [run(), run(), run()];
  world.api.script(failed.runId, { prepareSeal: () => failedVerdict });
  for (const { runId } of [open, terminated]) world.api.script(runId, { deliverHandoff: pending });
  await (await startRun(world, failed)).result();
  const handles = await Promise.all([open, terminated].map((each) => startRun(world, each)));
  await world.api.called(terminated.runId, "deliverHandoff");
  await handles[1]?.terminate();
  const docs = readFileSync(new URL("../../docs/bus-and-temporal.md", import.meta.url), "utf8");
  const queries = /--query`:\n\n```text\n([^`]+)```/.exec(docs)?.[1]?.trimEnd().split("\n") ?? [];
  expect(queries).toHaveLength(8);
  for (const query of queries) {
    const run = query.includes("!=") ? terminated : query.includes("Running") ? open : failed;
    const found = () =>
      world.client.workflow.count(`${query} AND WorkflowId STARTS_WITH "automation-run/acme/${run.runId}"`);
    await waitUntil(async () => (await found()).count === 1);
  }
  await handles[0]?.terminate();
});

it("tells Temporal no end where it told none: terminated, or another execution speaks", async () => {
  const [terminated, refused] = [aRun(), aRun()];
  world.api.script(terminated.runId, { deliverHandoff: pending });
  const stopped = await startRun(world, terminated);
  await world.api.called(terminated.runId, "deliverHandoff");
  await stopped.terminate();
  world.api.script(refused.runId, { beginRun: () => ({ refused: true }) });
  const gone = await startRun(world, refused);
  expect(await gone.result()).toEqual({
    reason: "another execution speaks for the run, or the run has ended; this one ended without effects",
  });
  for (const handle of [stopped, gone])
    expect((await handle.describe()).searchAttributes).not.toHaveProperty("RunOutcome");
});

it("starts a run whose lists are longer than Temporal's search attributes may be", async () => {
  const workItems = Array.from({ length: 100 }, (_, n) => ({ kind: "backlog_item", id: `${n}-${"ü".repeat(196)}` }));
  const run = aRun({ references: { workItems } });
  expect(await world.temporal.start(run)).toEqual({ state: "started" });
});

it("answers that a run is started when its workflow is open, and when it has closed", async () => {
  const run = aRun();
  world.api.script(run.runId, { deliverHandoff: pending });
  const handle = await startRun(world, run);
  expect(await world.temporal.start(run)).toEqual({ state: "started" });
  await handle.terminate();
  expect(await world.temporal.start(run)).toEqual({ state: "started" });
  expect((await handle.describe()).status.name).toBe("TERMINATED");
});
