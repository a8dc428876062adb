import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGraphService } from "../../src/api/connect/graph-service.ts";
import { requestContextKey } from "../../src/api/connect/interceptors/request-context.ts";
import { createRunWorkerService } from "../../src/api/connect/run-worker-service.ts";
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
    const answered = Promise.withResolvers<void>();
    const sent: string[] = [];
    const slow: Receiver = {
      methodology: scrum,
      tryTimeoutMs: 60_000,
      send: async ({ rpc }) => {
        sent.push(rpc);
        await answered.promise;
        return { state: "ACKNOWLEDGED", answer: {}, returned: [] };
      },
    };
    const { worker, execution } = clientsFor(scope, () => slow);
    await worker.prepareSeal({ execution });
    await expect(worker.deliverHandoff({ execution }, { timeoutMs: 500 })).rejects.toThrow();
    const again = [1, 2].map(() => worker.deliverHandoff({ execution }));
    await expect.poll(() => sent).toEqual(["AttachIncrementEvidence", "RecordItemDone"]);
    answered.resolve();
    for (const { progress } of await Promise.all(again)) expect(progress).toBe(HandoffProgress.ACCEPTED);
    expect(sent).toHaveLength(2);
  });
});

function clientsFor({ tenant, runId, execution }: SealScope, receiverOf: ReceiverOf = () => undefined) {
  const seal = sealing.wire(receiverOf);
  const routes = (router: ConnectRouter) => {
    const calls = {
      beginRun: () => Promise.reject(new Error("the run has begun")),
      grantUploads: seal.grant,
      completeWork: seal.complete,
      prepareSeal: seal.prepare,
      deliverHandoff: seal.deliver,
      commitSeal: seal.commit,
      abortSeal: seal.abort,
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
  };
}
