import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { admitStarted } from "../../src/admission/admit-runs.ts";
import { createInScope, createInTransaction } from "../../src/drivers/postgres/in-scope.ts";
import { createPool } from "../../src/drivers/postgres/pool.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { DesiredState } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { BeginRunResponseSchema } from "../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { InRun } from "../../src/runs/in-run.ts";
import { createInRun } from "../../src/runs/in-run.ts";
import type { RunStatus as StoredStatus } from "../../src/runs/run-status.ts";
import type { Transaction } from "../../src/tenancy/transaction.ts";
import { scopeOf } from "../support/builders/declared.ts";
import type { ApiClient, RunningApi } from "../support/worlds/api.ts";
import { declare, endRun, startApi, startCapabilityOf, startRun, waitUntil } from "../support/worlds/api.ts";

let api: RunningApi;
let acme: ApiClient;
let worker: ApiClient;
let pool: pg.Pool;
let inRun: InRun;

beforeAll(async () => {
  api = await startApi();
  acme = await api.clientOf({ roles: ["admin"], sub: "paula" });
  worker = await api.clientOf({ tenants: ["*"], orgs: ["*"], roles: ["worker"], sub: "worker-control" });
  await declare(acme);
  pool = createPool({ url: api.database.urlOf("api"), applicationName: "test", max: 4, onError: () => undefined });
  inRun = createInRun({ inScope: createInScope(pool), now: () => new Date() });
});
afterAll(async () => {
  await pool?.end();
  await api?.stop();
});

const errorOf = (call: Promise<unknown>) =>
  call.then(() => Promise.reject(new Error("the call was answered")), ConnectError.from);
const executionOf = (runId: string, firstExecutionRunId = "first", generation = 1) => ({
  execution: { runId, generation, firstExecutionRunId },
});
const beginRun = async (by: ReturnType<typeof executionOf>) =>
  worker.runWorker.beginRun({ ...by, startCapability: await startCapabilityOf(api.admin, by.execution.runId) });
const commandsOf = async (runId: string) =>
  (await api.admin.query("select kind, principal, reason, generation from run_commands where run_id = $1", [runId]))
    .rows;
const textsOf = async (runId: string): Promise<string[]> => {
  const { rows } = await api.admin.query(
    "select event->'message'->>'text' as text from run_events where run_id = $1 and event ? 'message' order by sequence",
    [runId],
  );
  return rows.map((row) => row.text);
};

describe("a cancel", () => {
  const phases: [string, StoredStatus[]][] = [
    ["while it waits in the queue", []],
    ["when it has a place", ["ADMITTED"]],
    ["when its workflow has begun", ["ADMITTED", "PREPARING"]],
    ["when it runs", ["ADMITTED", "PREPARING", "RUNNING"]],
    ["when it is judged", ["ADMITTED", "PREPARING", "EVALUATING"]],
    ["when its end is prepared", ["ADMITTED", "PREPARING", "EVALUATING", "SEALING"]],
  ];
  it.each(phases)("is taken %s, once, with its command and its event", async (_, steps) => {
    const runId = await startRun(acme);
    for (const status of steps)
      await inRun({ ...scopeOf("acme"), runId }, (open) =>
        open.moveTo(status, `test/${status}`, { outcome: "COMPLETED" }),
      );
    const answers = await Promise.all(
      [1, 2, 3].map(() => acme.workflows.cancelWorkflowRun({ runId, reason: "wrong item" })),
    );
    for (const { run } of answers)
      expect(run).toMatchObject({
        id: runId,
        desiredState: DesiredState.CANCEL,
        lastSequence: BigInt(steps.length + 2),
      });
    expect(await commandsOf(runId)).toEqual([
      { kind: "cancel", principal: "paula", reason: "wrong item", generation: 1 },
    ]);
    expect(await textsOf(runId)).toEqual(["paula asks to cancel: wrong item"]);
    const { run } = await acme.workflows.describeWorkflowRun({ runId });
    expect(run).toMatchObject({
      desiredState: DesiredState.CANCEL,
      lastSequence: BigInt(steps.length + 2),
      cancel: { principal: "paula", reason: "wrong item" },
    });
  });

  it("reaches the workflow by its next call, however it was told", async () => {
    const runId = await startRun(acme);
    expect(await beginRun(executionOf(runId))).toMatchObject({ desiredState: DesiredState.RUN });
    expect(await worker.workflows.reportWorkflowStatus(executionOf(runId))).toMatchObject({
      desiredState: DesiredState.RUN,
    });
    await acme.workflows.cancelWorkflowRun({ runId });
    for (const answer of [
      await beginRun(executionOf(runId)),
      await worker.workflows.reportWorkflowStatus(executionOf(runId)),
    ])
      expect(answer.desiredState).toBe(DesiredState.CANCEL);
  });

  it("of a run that nobody has begun lets it begin, so that it is sealed like any other", async () => {
    const runId = await startRun(acme);
    await acme.workflows.cancelWorkflowRun({ runId });
    const begun = await beginRun(executionOf(runId));
    expect(begun).toMatchObject({ refused: false, desiredState: DesiredState.CANCEL });
    await worker.runWorker.prepareSeal(executionOf(runId));
    const end = { outcome: RunStatus.CANCELLED, cause: "cancelled", reason: "wrong item" };
    await worker.runWorker.abortSeal({ ...executionOf(runId), ...end });
    const { run, verdict } = await acme.workflows.describeWorkflowRun({ runId });
    expect({ status: run?.status, passed: verdict?.passed }).toEqual({ status: RunStatus.CANCELLED, passed: false });
    expect(run?.reason).toBe("cancelled by paula"); // the run knows who, its workflow does not
    expect((await errorOf(acme.workflows.cancelWorkflowRun({ runId }))).code).toBe(Code.FailedPrecondition);
  });

  it("of a run that has ended says which end stands, and changes nothing", async () => {
    const runId = await startRun(acme);
    await endRun(inRun, { ...scopeOf("acme"), runId });
    const error = await errorOf(acme.workflows.cancelWorkflowRun({ runId }));
    expect({ code: error.code, message: error.rawMessage }).toEqual({
      code: Code.FailedPrecondition,
      message: expect.stringMatching(/has ended CANCELLED/),
    });
    expect(await commandsOf(runId)).toEqual([]);
  });

  it("that races the end either wins, or is refused: never both, never neither", async () => {
    for (let n = 0; n < 20; n += 1) {
      const runId = await startRun(acme);
      await inRun({ ...scopeOf("acme"), runId }, (open) => open.moveTo("SEALING", "s", { outcome: "COMPLETED" }));
      const commit = inRun({ ...scopeOf("acme"), runId }, async (open) => {
        if (open.run.desiredState === "CANCEL") return "cancelled";
        await open.moveTo("COMPLETED", "end");
        return "completed";
      });
      const cancel = acme.workflows.cancelWorkflowRun({ runId }).then(
        () => "cancelled",
        (error) => (ConnectError.from(error).code === Code.FailedPrecondition ? "completed" : "broken"),
      );
      const [ended, answered] = await Promise.all([commit, cancel]);
      expect(answered).toBe(ended);
    }
  });

  it("wakes the pump", async () => {
    const runId = await startRun(acme);
    const listener = new pg.Client({ connectionString: api.database.url });
    await listener.connect();
    const heard: string[] = [];
    listener.on("notification", ({ channel }) => heard.push(channel));
    await listener.query("listen automation_commands");
    await acme.workflows.cancelWorkflowRun({ runId });
    await waitUntil(async () => heard.length > 0);
    await listener.end();
  });

  it("needs a run, and a reason that can be kept", async () => {
    expect((await errorOf(acme.workflows.cancelWorkflowRun({ runId: "no uuid" }))).code).toBe(Code.NotFound);
    const runId = await startRun(acme);
    for (const reason of ["x".repeat(1_001), "a\0b"])
      expect((await errorOf(acme.workflows.cancelWorkflowRun({ runId, reason }))).code).toBe(Code.InvalidArgument);
    expect(await commandsOf(runId)).toEqual([]);
    const { run } = await acme.workflows.describeWorkflowRun({ runId });
    expect(run?.desiredState).toBe(DesiredState.RUN);
  });
});

describe("the beginning of a run", () => {
  it("is given to one execution, which gets the same answer again", async () => {
    const runId = await startRun(acme);
    const first = await beginRun(executionOf(runId));
    expect(first).toMatchObject({ refused: false, desiredState: DesiredState.RUN, plan: {} });
    expect(await beginRun(executionOf(runId))).toEqual(first);
    const { run } = await acme.workflows.describeWorkflowRun({ runId });
    expect(run).toMatchObject({ status: RunStatus.PREPARING, lastSequence: 3n });
    expect(first.noLimitBefore).toEqual(run?.limit?.dueAt);
  });

  it("is refused to every other execution, and to another generation", async () => {
    const runId = await startRun(acme);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => beginRun(executionOf(runId, `execution-${n}`))),
    );
    expect(answers.filter((answer) => !answer.refused)).toHaveLength(1);
    const winner = answers.findIndex((answer) => !answer.refused);
    expect(await beginRun(executionOf(runId, `execution-${winner}`, 2))).toMatchObject({
      refused: true,
    });
    const other = executionOf(runId, `execution-${(winner + 1) % 10}`);
    expect((await errorOf(worker.workflows.reportWorkflowStatus(other))).code).toBe(Code.Aborted);
    expect((await errorOf(worker.runWorker.prepareSeal(other))).code).toBe(Code.Aborted);
  });

  it("is refused without the capability that the workflow was started with, which is audited, and leaves the run to its own", async () => {
    const runId = await startRun(acme);
    const theirs = await startCapabilityOf(api.admin, await startRun(acme));
    const mine = await startCapabilityOf(api.admin, runId);
    const wrong = [theirs, `${mine}0`, mine.slice(0, -1), mine.toUpperCase()];
    const headers = { "x-correlation-id": `forged-${runId}` };
    for (const startCapability of wrong)
      expect(
        await worker.runWorker.beginRun({ ...executionOf(runId, "forger"), startCapability }, { headers }),
      ).toEqual(create(BeginRunResponseSchema, { refused: true }));
    const { rows } = await api.admin.query(
      "select principal, action, outcome from audit_log where correlation_id = $1",
      [headers["x-correlation-id"]],
    );
    const action = "workflows_runtime.v1.RunWorkerService/BeginRun";
    expect(rows).toEqual(wrong.map(() => ({ principal: "worker-control", action, outcome: "wrong_start_capability" })));
    for (const call of [worker.runWorker.prepareSeal, worker.runWorker.commitSeal, worker.runWorker.deliverHandoff])
      expect((await errorOf(call(executionOf(runId, "forger")))).code).toBe(Code.Aborted);
    expect((await acme.workflows.describeWorkflowRun({ runId })).run?.status).toBe(RunStatus.QUEUED);
    expect(await beginRun(executionOf(runId, "its own"))).toMatchObject({ refused: false });
  });

  it("admits a run whose start is not written yet, and the dispatcher then changes nothing", async () => {
    const runId = await startRun(acme);
    expect(await beginRun(executionOf(runId))).toMatchObject({ refused: false });
    const mark = (transaction: Transaction) => admitStarted(transaction, [{ tenant: "acme", runId }], new Date());
    expect(await createInTransaction(api.admin)(mark)).toEqual([]);
    const { rows } = await api.admin.query(
      "select event->'status'->>'status' as status from run_events where run_id = $1 order by sequence",
      [runId],
    );
    expect(rows.map(({ status }) => status)).toEqual(["QUEUED", "ADMITTED", "PREPARING"].map((s) => `RUN_STATUS_${s}`));
    const { run } = await acme.workflows.describeWorkflowRun({ runId });
    expect(run).toMatchObject({ status: RunStatus.PREPARING, admittedAt: expect.anything() });
  });

  it("is told to nobody who may read the run", async () => {
    const runId = await startRun(acme);
    const capability = await startCapabilityOf(api.admin, runId);
    await beginRun(executionOf(runId));
    const { run } = await acme.workflows.describeWorkflowRun({ runId });
    const listed = await acme.workflows.listWorkflowRuns({});
    const { rows } = await api.admin.query("select event from run_events where run_id = $1", [runId]);
    const told = JSON.stringify([run, listed, rows], (_, value) => (typeof value === "bigint" ? `${value}` : value));
    expect(told).toContain(runId);
    expect(told).not.toContain(capability);
  });

  it("is refused once the run has ended, to its own execution as well", async () => {
    const runId = await startRun(acme);
    await beginRun(executionOf(runId));
    await endRun(inRun, { ...scopeOf("acme"), runId });
    expect(await beginRun(executionOf(runId))).toMatchObject({ refused: true });
  });

  it("lets the next run be released", async () => {
    const runId = await startRun(acme);
    const listener = new pg.Client({ connectionString: api.database.url });
    await listener.connect();
    const heard: string[] = [];
    listener.on("notification", ({ channel, payload }) => heard.push(`${channel} ${payload}`));
    for (const channel of ["automation_release", "automation_outbox", "automation_run_events"])
      await listener.query(`listen ${channel}`);
    await beginRun(executionOf(runId));
    const expected = ["automation_outbox ", "automation_release ", `automation_run_events acme/${runId}`];
    await waitUntil(async () => expected.every((hint) => heard.includes(hint)));
    await listener.end();
  });

  it("of a run that is not known is refused with its id", async () => {
    const runId = randomUUID();
    const error = await errorOf(beginRun(executionOf(runId)));
    expect({ code: error.code, message: error.rawMessage }).toEqual({
      code: Code.NotFound,
      message: expect.stringContaining(runId),
    });
  });
});
