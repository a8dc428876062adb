import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraphService } from "../../src/api/connect/graph-service.ts";
import { requestContextKey } from "../../src/api/connect/interceptors/request-context.ts";
import { createRunWorkerService } from "../../src/api/connect/run-worker-service.ts";
import type { ObjectStore } from "../../src/artifacts/object-store.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { LineState } from "../../src/gen/automation/v1/verdict_pb.ts";
import { GraphService } from "../../src/gen/graph/v1/graph_service_pb.ts";
import { DesiredState } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { HandoffProgress, RunWorkerService } from "../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { createListElements } from "../../src/graph/list-elements.ts";
import type { Receiver, ReceiverOf } from "../../src/methodology/methodology.ts";
import { scrum } from "../../src/methodology/scrum.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { scopeOf } from "../support/builders/declared.ts";
import type { Sealing } from "../support/worlds/sealing.ts";
import { ran, startSealing, tested } from "../support/worlds/sealing.ts";

let sealing: Sealing;
const context = { scrum: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } };

beforeAll(async () => {
  sealing = await startSealing();
});
afterAll(() => sealing?.stop());

describe("the worker's side of a run, as messages", () => {
  it("goes from the verdict to the committed end, whose evidence the graph lists", async () => {
    const { worker, graph, execution } = clientsFor(
      await sealing.beginRun({ tenant: "acme", requirements: [ran], context }),
    );
    expect(await worker.prepareSeal({ execution })).toMatchObject({
      desiredState: DesiredState.RUN,
      verdict: { passed: true, lines: [{ state: LineState.MET }] },
    });
    expect(await worker.deliverHandoff({ execution })).toMatchObject({ progress: HandoffProgress.ACCEPTED });
    expect(await worker.commitSeal({ execution })).toMatchObject({ committed: true });
    const { elements } = await graph.listElements({ reference: { kind: "backlog_item", id: "B-1" } });
    expect(elements).toMatchObject([{ latest: { version: 1, runId: execution.runId } }]);
  });

  it("goes from the verdict to the committed end in one call, and tells it again", async () => {
    const scope = await sealing.beginRun({ tenant: "finished", requirements: [ran], receiver: "quick", context });
    const { worker, execution } = clientsFor(scope, () => receiver(async () => acknowledged));
    const finished = await worker.prepareSeal({ execution, finish: true });
    expect(finished).toMatchObject({
      verdict: { passed: true },
      handoff: { progress: HandoffProgress.ACCEPTED },
      commit: { committed: true, result: { artifacts: [{}], attestations: [{}, {}, {}] } },
    });
    expect(await worker.prepareSeal({ execution, finish: true })).toMatchObject({
      verdict: { passed: true },
      handoff: { progress: HandoffProgress.ACCEPTED },
      commit: finished.commit,
    });
    expect(await worker.commitSeal({ execution })).toEqual(finished.commit);
  });

  it("stops in that call at a verdict that does not pass, and at a receiver that refuses", async () => {
    const unmet = clientsFor(await sealing.beginRun({ tenant: "finished", requirements: [tested], context }));
    const failed = await unmet.worker.prepareSeal({ execution: unmet.execution, finish: true });
    expect([failed.verdict?.passed, failed.handoff, failed.commit]).toEqual([false, undefined, undefined]);

    const scope = await sealing.beginRun({ tenant: "finished", requirements: [ran], receiver: "strict", context });
    const refusing = receiver(async () => ({
      state: "REFUSED",
      code: "failed_precondition",
      reason: "the sprint is over",
    }));
    const { worker, execution } = clientsFor(scope, () => refusing);
    const refused = await worker.prepareSeal({ execution, finish: true });
    expect(refused.handoff?.progress).toBe(HandoffProgress.REFUSED);
    expect(refused.commit).toBeUndefined();
  });

  it("records in that call what receivers said, also when a cancel comes before the commit", async () => {
    const scope = await sealing.beginRun({ tenant: "finished", requirements: [ran], receiver: "quick", context });
    const cancelling = receiver(async () => {
      await sealing.wire(() => undefined).cancel(scope);
      return acknowledged;
    });
    const { worker, execution, handoff } = clientsFor(scope, () => cancelling);
    const cancelled = await worker.prepareSeal({ execution, finish: true });
    expect(cancelled).toMatchObject({ handoff: { progress: HandoffProgress.ACCEPTED }, commit: { committed: false } });
    expect(await handoff()).toEqual(["TRY ACKNOWLEDGED", "TRY ACKNOWLEDGED"]);
  });

  it("records in that call what receivers said, also when the log is gone before the commit", async () => {
    const scope = await sealing.beginRun({ tenant: "finished", requirements: [ran], receiver: "quick", context });
    const gone = { digestOf: async () => undefined };
    const { worker, execution, handoff } = clientsFor(scope, () => receiver(async () => acknowledged), gone);
    const faulty = await worker.prepareSeal({ execution, finish: true });
    expect(faulty).toMatchObject({ handoff: { progress: HandoffProgress.ACCEPTED }, commit: { committed: false } });
    expect(faulty.commit?.fault).toContain("is not there");
    expect(await handoff()).toEqual(["TRY ACKNOWLEDGED", "TRY ACKNOWLEDGED"]);
  });

  it("does not wait in that call for a receiver that takes long: the next call joins its round", async () => {
    const scope = await sealing.beginRun({ tenant: "finished", requirements: [ran], receiver: "slow", context });
    const { slow, sent, answer } = slowReceiver();
    const { worker, execution } = clientsFor(scope, () => slow);
    const prepared = await worker.prepareSeal({ execution, finish: true });
    expect([prepared.verdict?.passed, prepared.handoff, prepared.commit]).toEqual([true, undefined, undefined]);
    const joining = worker.deliverHandoff({ execution });
    answer();
    expect(await joining).toMatchObject({ progress: HandoffProgress.ACCEPTED });
    expect(sent).toHaveLength(2);
    expect(await worker.commitSeal({ execution })).toMatchObject({ committed: true });
  });

  it("seals the end that is asked for, and no COMPLETED by that door", async () => {
    const { worker, execution } = clientsFor(
      await sealing.beginRun({ tenant: "acme", requirements: [tested], context }),
    );
    const end = { execution, cause: "verdict_failed", reason: "tests are missing" };
    await expect(worker.abortSeal({ ...end, outcome: RunStatus.COMPLETED })).rejects.toThrow();
    expect(await worker.abortSeal({ ...end, outcome: RunStatus.FAILED })).toMatchObject({ outcome: RunStatus.FAILED });
    expect(await worker.commitSeal({ execution })).toMatchObject({ committed: false });
  });

  it("knows no run by an id that is none, nor one of another tenant", async () => {
    const scope = await sealing.beginRun({ tenant: "acme", requirements: [ran], context });
    const { worker, execution } = clientsFor(scope);
    for (const runId of ["none", crypto.randomUUID()])
      await expect(worker.prepareSeal({ execution: { ...execution, runId } })).rejects.toThrow();
    await expect(clientsFor({ ...scope, tenant: "other" }).worker.commitSeal({ execution })).rejects.toThrow();
    expect(await worker.prepareSeal({ execution })).toMatchObject({ verdict: { passed: true } });
  });

  it("make a round of tries once, when it is asked for again while it runs", async () => {
    const scope = await sealing.beginRun({ tenant: "joined", requirements: [ran], receiver: "slow", context });
    const { slow, sent, answer } = slowReceiver();
    const { worker, execution } = clientsFor(scope, () => slow);
    await worker.prepareSeal({ execution });
    await expect(worker.deliverHandoff({ execution }, { timeoutMs: 500 })).rejects.toThrow();
    const again = [1, 2].map(() => worker.deliverHandoff({ execution }));
    await expect.poll(() => sent).toEqual(["AttachIncrementEvidence", "RecordItemDone"]);
    answer();
    for (const { progress } of await Promise.all(again)) expect(progress).toBe(HandoffProgress.ACCEPTED);
    expect(sent).toHaveLength(2);
  });
});

const acknowledged = { state: "ACKNOWLEDGED" as const, answer: {}, returned: [] };
const receiver = (send: Receiver["send"]): Receiver => ({ methodology: scrum, tryTimeoutMs: 60_000, send });

/** Answers when told to. */
function slowReceiver() {
  const answered = Promise.withResolvers<void>();
  const sent: string[] = [];
  const slow = receiver(async ({ rpc }) => {
    sent.push(rpc);
    await answered.promise;
    return acknowledged;
  });
  return { slow, sent, answer: answered.resolve };
}

function clientsFor(
  { tenant, runId, execution }: SealScope,
  receiverOf: ReceiverOf = () => undefined,
  objects: Partial<ObjectStore> = {},
) {
  const seal = sealing.wire(receiverOf, { objects });
  const routes = (router: ConnectRouter) => {
    const calls = {
      beginRun: () => Promise.reject(new Error("the run has begun")),
      grantUploads: seal.grant,
      completeWork: seal.complete,
      ...seal.calls,
    };
    router.service(RunWorkerService, createRunWorkerService(calls));
    router.service(GraphService, createGraphService({ listElements: createListElements(sealing) }));
  };
  const asWorker: Interceptor = (next) => (request) => {
    const principal = { ...scopeOf(tenant), subject: "worker", roles: ["worker"] };
    request.contextValues.set(requestContextKey, { principal, expiresAt: new Date(Date.now() + 60_000) });
    return next(request);
  };
  const transport = createRouterTransport(routes, { router: { interceptors: [asWorker] } });
  return {
    worker: createClient(RunWorkerService, transport),
    graph: createClient(GraphService, transport),
    execution: { runId, ...execution },
    handoff: async () =>
      (await seal.describe(scopeOf(tenant), runId)).handoffCalls.map(({ phase, state }) =>
        `${phase} ${state}`.replaceAll(/HANDOFF_(PHASE|STATE)_/g, ""),
      ),
  };
}
