import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WorkOutcome } from "../../src/gen/automation/v1/run_work_pb.ts";
import { DesiredState } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import type { WorkEventJson } from "../../src/gen/workflows_runtime/v1/work_event_pb.ts";
import { ListWorkflowRunsRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { createDescribeRun } from "../../src/runs/describe-run.ts";
import { createListRuns } from "../../src/runs/list-runs.ts";
import { beginNextGeneration } from "../../src/runs/run-store.ts";
import { genesis } from "../../src/runs/stream/chain-events.ts";
import { logBounds } from "../../src/runs/stream/log-bounds.ts";
import { canonicalJson } from "../../src/text/canonical-json.ts";
import { scopeOf, workspaces } from "../support/builders/declared.ts";
import { hashEvent } from "../support/probes/hash-event.ts";

import type { Reporting, Said } from "../support/worlds/reporting.ts";
import { execution, message, startReporting, workflowIdOf } from "../support/worlds/reporting.ts";

let reporting: Reporting;
let superuser: Reporting["superuser"];
let inScope: Reporting["inScope"];
let inRun: Reporting["inRun"];
let beginRun: Reporting["beginRun"];
let begunRun: Reporting["begunRun"];
let report: Reporting["report"];
let complete: Reporting["complete"];
let cancel: Reporting["cancel"];
let divide: Reporting["divide"];
let eventsOf: Reporting["eventsOf"];
const tenant = "acme";

beforeAll(async () => {
  reporting = await startReporting();
  ({ superuser, inScope, inRun, beginRun, begunRun, report, complete, divide, cancel, eventsOf } = reporting);
});
afterAll(() => reporting?.stop());

const refusalOf = (reported: Promise<unknown>) =>
  reported.then(
    () => "taken",
    (error: { code?: string }) => error.code ?? error,
  );
const workKeysOf = async (runId: string) =>
  (await eventsOf(runId)).flatMap(({ writerKey = "" }) => (writerKey.startsWith("work/") ? [writerKey] : []));

describe("what a worker reports", () => {
  it("is appended to the run's chain in its order, and RUNNING moves the run on once", async () => {
    const runId = await begunRun();
    await report(runId, { attempt: 1, events: [message(1)] });
    const workspace = { attempt: 1, repositoryId: "shop", ref: "main", baseCommit: "a".repeat(40) };
    const prepared: Said = {
      attempt: 1,
      events: [{ n: "2", workspace }],
      status: "RUN_STATUS_RUNNING",
    };
    await report(runId, prepared);
    await report(runId, prepared);
    const all: WorkEventJson[] = [
      { n: "3", step: { stepId: "build", state: "STEP_STATE_STARTED" } },
      { n: "4", plan: { stepId: "build", items: [{ text: "look" }] } },
      { n: "5", tool: { stepId: "build", name: "grep", phase: "TOOL_PHASE_STARTED" } },
      { n: "6", artifact: { stepId: "build", path: "a" } },
      { n: "7", progress: { stepId: "build", percent: 50 } },
      { n: "8", captured: { gitTree: "b".repeat(40), changedFiles: 1 } },
    ];
    await report(runId, { attempt: 1, events: all });
    const events = await eventsOf(runId);
    expect(events.map(({ writerKey }) => writerKey)).toEqual([
      "accept",
      "admit",
      "begin/1",
      "work/1/1/1/1",
      "work/1/1/1/2",
      "work/1/1/1/running",
      "work/1/1/1/3",
      "work/1/1/1/4",
      "work/1/1/1/5",
      "work/1/1/1/6",
      "work/1/1/1/7",
      "work/1/1/1/8",
    ]);
    expect(events[4]?.workspace).toEqual(workspace);
    expect(events[5]?.status).toMatchObject({ status: "RUN_STATUS_RUNNING", previous: "RUN_STATUS_PREPARING" });
    expect(events.at(-1)?.captured).toEqual({ gitTree: "b".repeat(40), changedFiles: 1 });
    let previous = genesis.lastHash;
    for (const [index, event] of events.entries()) {
      expect([event.sequence, event.prevHash]).toEqual([String(index + 1), previous]);
      previous = hashEvent(event);
    }
  });

  it("adds nothing when it comes again, and only what is new when it overlaps", async () => {
    const runId = await begunRun();
    await report(runId, { attempt: 1, events: [message(1), message(2)] });
    await Promise.all([1, 2, 3].map(() => report(runId, { attempt: 1, events: [message(1), message(2), message(3)] })));
    expect(await workKeysOf(runId)).toEqual(["work/1/1/1/1", "work/1/1/1/2", "work/1/1/1/3"]);
  });

  it("is counted in bytes of the log, as are all events since the run was accepted", async () => {
    const runId = await begunRun();
    await report(runId, { attempt: 1, events: [message(1, "ü".repeat(100))] });
    const { rows } = await superuser.query("select size_bytes from run_streams where run_id = $1", [runId]);
    const log = (await eventsOf(runId)).map((event) => `${canonicalJson(event)}\n`).join("");
    expect(rows).toEqual([{ size_bytes: Buffer.byteLength(log) }]);
  });

  it("fills the log up to its bound, which is said before anything is left out, over all attempts", async () => {
    const runId = await begunRun();
    const bytes = logBounds.bytes - 33_554_432;
    // said in earnest, 256 MiB would take minutes
    const fillTo = (size: number) =>
      superuser.query("update run_streams set size_bytes = $2 where run_id = $1", [runId, size]);
    await fillTo(Math.ceil(0.8 * bytes));
    await report(runId, { attempt: 1, events: [message(1), message(2)] });
    await fillTo(bytes - 3_000);
    await report(runId, {
      attempt: 1,
      events: [message(3), { n: "4", message: { text: "x".repeat(4_000) } }, message(5)],
    });
    await report(runId, { attempt: 2, events: [message(1)] });
    expect((await eventsOf(runId)).slice(3).map(({ writerKey }) => writerKey)).toEqual([
      "work/1/1/1/1",
      "log/nearly-full",
      "work/1/1/1/2",
      "work/1/1/1/3",
      "log/full",
    ]);
    expect((await eventsOf(runId)).at(-1)?.message).toEqual({
      text: "the log of this run is full (100000 events and 256 MiB); what its work says from here on is not kept",
      truncated: true,
    });
  });

  it("is begun anew with how the try before ended: lost, or a fault of ours and which of how many", async () => {
    const runId = await begunRun();
    const describe = createDescribeRun({ inScope, workflowIdOf });
    await beginRun(runId, 1);
    expect((await describe(scopeOf(tenant), runId)).run.attempt).toEqual({
      segment: 1,
      attempt: 1,
      begunAt: expect.any(String),
    });
    await beginRun(runId, 2);
    await beginRun(runId, 2);
    await beginRun(runId, 1); // of a worker that was taken for dead
    await beginRun(runId, 3, { fault: { count: 1, most: 3, attempt: 2, reason: "a bug\u001b[2J" } });
    const fault = "a fault of the scheduler's own (1 of 3): a bug\\x1b[2J";
    const lost = "its worker was lost, or could not say why it ended";
    const told = (await eventsOf(runId)).flatMap(({ takenUp }) => (takenUp === undefined ? [] : [takenUp]));
    expect(told).toEqual([
      { attempt: 2, previousEnd: lost },
      { attempt: 3, previousEnd: fault },
    ]);
    await beginRun(runId, 4);
    const counted = { attempt: 4, previousEnd: lost, faults: 1, mostFaults: 3 };
    expect((await describe(scopeOf(tenant), runId)).run.attempt).toMatchObject(counted);
  });

  it("tells a wait of many tries once, and the run says which try goes on", async () => {
    const runId = await begunRun();
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await beginRun(runId, attempt);
      await report(runId, { attempt, events: [{ n: "1", waiting: { reason: "the disk is full", attempt } }] });
    }
    const events = await eventsOf(runId);
    expect(events.filter(({ takenUp, waiting }) => (takenUp ?? waiting) !== undefined)).toHaveLength(1);
    const { run } = await createDescribeRun({ inScope, workflowIdOf })(scopeOf(tenant), runId);
    expect(run.attempt).toMatchObject({ attempt: 3, previousEnd: "it could not go on: the disk is full" });
  });

  it("of an earlier attempt is refused whole once a later one was heard", async () => {
    const runId = await begunRun();
    await report(runId, { attempt: 2, events: [message(1)] });
    const late = report(runId, {
      attempt: 1,
      events: [message(1)],
      status: "RUN_STATUS_RUNNING",
      baseCommit: "c".repeat(40),
    });
    expect(await refusalOf(late)).toBe("superseded_execution");
    expect(await workKeysOf(runId)).toEqual(["work/1/1/2/1"]);
    expect(await report(runId, { attempt: 2 })).toEqual({ desiredState: DesiredState.RUN, baseCommit: "" });
    await report(runId, { attempt: 3 });
    expect(await refusalOf(report(runId, { attempt: 2 }))).toBe("superseded_execution");
  });

  it("keeps the first base commit, and every later attempt and the workflow are told it", async () => {
    const runId = await begunRun();
    const [first, second] = ["a".repeat(40), "b".repeat(40)];
    expect((await report(runId, { attempt: 1, baseCommit: first })).baseCommit).toBe(first);
    expect((await report(runId, { attempt: 2, baseCommit: second })).baseCommit).toBe(first);
    expect((await report(runId, { attempt: 2 })).baseCommit).toBe(first);
    expect((await report(runId, {})).baseCommit).toBe(first);
  });

  it("of another execution, or of an unknown run, is refused", async () => {
    const runId = await begunRun();
    const other = { generation: 1, firstExecutionRunId: "second" };
    expect(await refusalOf(report(runId, { attempt: 1, events: [message(1)] }, other))).toBe("superseded_execution");
    for (const unknown of [crypto.randomUUID(), "none"])
      for (const attempt of [0, 1]) expect(await refusalOf(report(unknown, { attempt }))).toBe("unknown_run");
    expect(await workKeysOf(runId)).toEqual([]);
  });

  it("after the work is refused and changes nothing, whether the run is judged, sealed or over", async () => {
    const runId = await begunRun();
    await report(runId, { attempt: 1, status: "RUN_STATUS_RUNNING" });
    const steps = [
      ["EVALUATING", undefined, "superseded_execution"],
      ["SEALING", "FAILED", "superseded_execution"],
      ["FAILED", undefined, "run_ended"],
    ] as const;
    for (const [status, outcome, refusal] of steps) {
      await inRun({ ...scopeOf(tenant), runId }, (open) => open.moveTo(status, `test/${status}`, { outcome }));
      const before = await eventsOf(runId);
      const late = report(runId, { attempt: 2, events: [message(1)], status: "RUN_STATUS_RUNNING" });
      expect(await refusalOf(late)).toBe(refusal);
      expect(await eventsOf(runId)).toEqual(before);
    }
    const { rows } = await superuser.query("select fence from run_streams where run_id = $1", [runId]);
    expect(rows[0].fence).toEqual([1, 1, 1]);
  });

  it("says cancel as soon as that is wanted", async () => {
    const runId = await begunRun();
    await cancel(runId);
    expect((await report(runId, { attempt: 1, events: [message(1)] })).desiredState).toBe(DesiredState.CANCEL);
  });

  it("that is too large, out of order, or not the worker's to say is refused whole", async () => {
    const runId = await begunRun();
    const large = [message(1), message(7, "x".repeat(64 * 1024))];
    await expect(report(runId, { attempt: 1, events: large })).rejects.toMatchObject({ code: "invalid_event", n: "7" });
    await expect(report(runId, { attempt: 1, events: [message(2), message(2)] })).rejects.toMatchObject({ n: "2" });
    for (const said of [
      { events: [message(1)] },
      { status: "RUN_STATUS_RUNNING" },
      { baseCommit: "a".repeat(40) },
      { attempt: 1, status: "RUN_STATUS_COMPLETED" },
    ] as const)
      expect(await refusalOf(report(runId, { ...said, events: [...(said.events ?? [])] }))).toBe("invalid_report");
    expect(await workKeysOf(runId)).toEqual([]);
  });

  it("is kept whatever text a persona sends, with what can't be stored shown by a sign", async () => {
    const runId = await begunRun();
    await report(runId, { attempt: 1, events: [message(1, "a\0b\u202e\u{1f600}")] });
    expect((await eventsOf(runId)).at(-1)?.message?.text).toBe("a\u2400b\u202e\u{1f600}");
  });

  it("fits when it has just 64 KiB", async () => {
    const runId = await begunRun();
    const frame = JSON.stringify({ message: { stepId: "build", text: "" } }).length;
    await report(runId, { attempt: 1, events: [message(1, "x".repeat(64 * 1024 - frame))] });
    expect(
      await refusalOf(report(runId, { attempt: 1, events: [message(2, "x".repeat(64 * 1024 - frame + 1))] })),
    ).toBe("invalid_event");
  });
});

describe("a run with pinned work", () => {
  it("is begun with its pins and request, and with the work once that is complete", async () => {
    const runId = await begunRun();
    const first = await beginRun(runId);
    expect(first).toMatchObject({
      pins: { repository: { id: "shop", url: "https://github.com/acme/shop", ref: "main" } },
      request: { goal: "show the evidence" },
    });
    await complete(runId, { segment: 1, attempt: 2, outcome: "WORK_OUTCOME_FAILED", cause: "gave_up" });
    expect((await beginRun(runId, 3)).report).toMatchObject({ attempt: 2, outcome: WorkOutcome.FAILED });
    expect((await beginRun(await begunRun(), 1)).report).toBeUndefined();
  });

  it("is described with pins and base commit; a list leaves the policy out", async () => {
    const runId = await begunRun();
    await report(runId, { attempt: 1, baseCommit: "a".repeat(40) });
    const { run } = await createDescribeRun({ inScope, workflowIdOf })(scopeOf(tenant), runId);
    expect(run).toMatchObject({ baseCommit: "a".repeat(40), pins: { policy: { limits: workspaces.policy.limits } } });
    const listed = await createListRuns({ inScope, workflowIdOf })(
      create(ListWorkflowRunsRequestSchema),
      scopeOf(tenant),
    );
    const found = listed.runs?.find(({ id }) => id === runId);
    const { policy: _, ...named } = run.pins ?? {};
    expect(found?.pins).toEqual(named);
    expect(found?.pins?.policyDigest).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("the segments of a run", () => {
  it("are worked on one after the other: an attempt is late once a later segment was heard, and each counts from 1", async () => {
    const runId = await begunRun();
    await divide(runId, [1, 2]);
    await report(runId, { segment: 1, attempt: 5, events: [message(1)] });
    await report(runId, { segment: 2, attempt: 1, events: [message(1)] });
    for (const late of [1, 5, 6])
      expect(await refusalOf(report(runId, { segment: 1, attempt: late, events: [message(2)] }))).toBe(
        "superseded_execution",
      );
    await report(runId, { segment: 2, attempt: 2, events: [message(1)] });
    expect(await workKeysOf(runId)).toEqual(["work/1/1/5/1", "work/1/2/1/1", "work/1/2/2/1"]);
  });

  it("tell which attempt goes on of which", async () => {
    const runId = await begunRun();
    await divide(runId, [1, 2]);
    const attempt = async () => (await reporting.describeRun(runId)).attempt;
    await beginRun(runId, 3, { fault: { count: 1, most: 3, attempt: 2, reason: "a bug" } });
    expect(await attempt()).toMatchObject({ segment: 1, attempt: 3, faults: 1 });
    await beginRun(runId, 1, { segment: 2 });
    expect(await attempt()).toEqual({ segment: 2, attempt: 1, begunAt: expect.any(String) });
    await beginRun(runId, 4); // of a worker that was taken for dead
    expect(await attempt()).toMatchObject({ segment: 2, attempt: 1 });
  });

  it("have a report each, the first one of each, and a worker is answered that of its own", async () => {
    const runId = await begunRun();
    await divide(runId, [1, 2]);
    const failed = (segment: number, cause: string) =>
      complete(runId, { segment, attempt: 1, outcome: "WORK_OUTCOME_FAILED", cause });
    await failed(1, "first");
    expect((await beginRun(runId, 1, { segment: 2 })).report).toBeUndefined();
    await failed(2, "second");
    expect(await failed(1, "other")).toMatchObject({ report: { segment: 1, cause: "first" } });
    for (const [segment, cause] of [
      [1, "first"],
      [2, "second"],
    ] as const)
      expect((await beginRun(runId, 2, { segment })).report).toMatchObject({ segment, cause });
  });

  it("that are not the run's are refused by name", async () => {
    const runId = await begunRun();
    for (const asked of [
      () => report(runId, { segment: 2, attempt: 1 }),
      () => beginRun(runId, 1, { segment: 2 }),
      () => complete(runId, { segment: 2, attempt: 1 }),
    ])
      await expect(asked()).rejects.toMatchObject({
        code: "unknown_segment",
        message: expect.stringMatching(/^attempt\.segment is 2; run .* has 1: name a segment of the pins/),
      });
  });

  it("are not done again by a later generation where their reports stand, and its attempts count from 1", async () => {
    const runId = await begunRun();
    await divide(runId, [1, 2]);
    const failed = { segment: 1, attempt: 7, outcome: "WORK_OUTCOME_FAILED", cause: "first" } as const;
    await complete(runId, failed);
    await beginRun(runId, 5, { segment: 2 });
    await report(runId, { segment: 2, attempt: 5, events: [message(1)] });
    await inRun({ ...scopeOf(tenant), runId }, (open) => beginNextGeneration(open.transaction, open.run));
    const second = { ...execution, generation: 2 };
    const begun = await beginRun(runId, 1, { generation: 2 });
    expect(begun.report).toMatchObject({ segment: 1, attempt: 7, cause: "first" });
    expect((await beginRun(runId, 1, { generation: 2, segment: 2 })).report).toBeUndefined();
    expect((await reporting.describeRun(runId)).attempt).toMatchObject({ segment: 2, attempt: 1 });
    await report(runId, { segment: 2, attempt: 1, events: [message(1)] }, second);
    expect(await refusalOf(report(runId, { segment: 2, attempt: 9 }))).toBe("superseded_execution");
    expect(await workKeysOf(runId)).toEqual(["work/1/2/5/taken-up", "work/1/2/5/1", "work/2/2/1/1"]);
  });
});
