import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { workflowIdOf } from "../../src/drivers/temporal/contract.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { RefusalPolicy } from "../../src/gen/governance/v1/profile_pb.ts";
import type { RunningScrumService } from "../support/engines/scrum-service-process.ts";
import { startScrumService } from "../support/engines/scrum-service-process.ts";
import type { ApiClient } from "../support/worlds/api.ts";
import { declare, errorOf, profileOf, startCapabilityOf, startRun } from "../support/worlds/api.ts";
import type { ReconcileWorld } from "../support/worlds/reconcile-world.ts";
import { startReconcileWorld, until } from "../support/worlds/reconcile-world.ts";

/** The api ends a run while its workflow is open and waits: on a real Temporal, with the control worker as it is, a receiver that is silent, and nobody who takes up work. */
let world: ReconcileWorld;
let scrum: RunningScrumService;
let acme: ApiClient;
let stop: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  scrum = await startScrumService();
  const receiver = `{ method: scrum, endpoint: "${scrum.url}", tokenFile: "${scrum.tokenFile}", tryTimeout: 300ms }`;
  world = await startReconcileWorld(`methodologies: { scrum: ${receiver} }`);
  acme = await world.api.clientOf({ roles: ["admin"] });
  await declare(acme);
  await acme.workflows.putRepository({
    repository: { id: "shop", url: "https://github.com/acme/shop", defaultRef: "main" },
  });
  const steps = [{ id: "build", kind: { case: "command" as const, value: { argv: ["make"] } } }];
  const work = { repository: { id: "shop" }, steps };
  for (const [id, plan] of Object.entries({ work, "short-work": { ...work, timeLimit: { seconds: 10n } } })) {
    await acme.workflows.publishWorkflowVersion({ definitionId: id, version: "1", channel: "stable", plan });
    const bindings = [{ workKind: "story", definitionId: id, channel: "stable" }];
    await acme.profiles.publishProfile({ profile: { ...profileOf(id), bindings } });
  }
  const handoff = { receiver: "scrum", onRefusal: RefusalPolicy.FAIL };
  await acme.profiles.publishProfile({ profile: { ...profileOf("handing"), handoff } });
  await scrum.tell({ action: "delay", phase: "try", delayMs: 60_000 });
  stop = [await world.work(), world.dispatch().stop];
}, 120_000);
afterAll(async () => {
  await Promise.all(stop.map((each) => each()));
  await Promise.all([world?.stop(), scrum?.end()]);
});

const handleOf = (runId: string) => world.client.workflow.getHandle(workflowIdOf("acme", runId, 1));

/** Starts a run. @returns its id, once its workflow waits in an activity */
async function waitingIn(activity: string, profile: string): Promise<string> {
  const runId = await startRun(acme, { profile });
  await until(async () => (await world.rowOf(runId)).started);
  await until(async () => {
    const { raw } = await handleOf(runId).describe();
    return raw.pendingActivities?.some(({ activityType }) => activityType?.name === activity) === true;
  });
  return runId;
}

/** The api acts on a finding that is not true: the workflow is open. */
async function endByApi(runId: string): Promise<void> {
  await world.api.admin.query(
    `insert into reconciliations (tenant, org, run_id, generation, finding, detail, due_at)
     select tenant, org, run_id, generation, 'terminated', 'by hand', now() from runs where run_id = $1
     on conflict (tenant, run_id) do update set finding = excluded.finding, detail = excluded.detail, due_at = excluded.due_at`,
    [runId],
  );
  await until(async () => (await world.rowOf(runId)).status === "FAILED");
}

describe("the workflow of a run that the api has ended closes, and tells Temporal the end that the run has", () => {
  const toldEnd = async (runId: string) => {
    const result = await handleOf(runId).result();
    const { status, searchAttributes } = await handleOf(runId).describe();
    return { result, status: status.name, outcome: searchAttributes.RunOutcome };
  };
  const theEnd = {
    result: { outcome: "RUN_STATUS_FAILED", reason: "its Temporal workflow was terminated: by hand" },
    status: "COMPLETED",
    outcome: ["FAILED"],
  };

  it("while it waits for a receiver", async () => {
    const runId = await waitingIn("awaitHandoff", "handing");
    await endByApi(runId);
    expect(await toldEnd(runId)).toMatchObject(theEnd);
  });

  it("while its work waits for a worker, when a limit of time may have passed", async () => {
    const runId = await waitingIn("workSegment", "short-work");
    await endByApi(runId);
    expect(await toldEnd(runId)).toMatchObject(theEnd);
  });

  it("while its work waits for a worker, when it is woken", async () => {
    const runId = await waitingIn("workSegment", "work");
    await endByApi(runId);
    await world.temporal.ring({ tenant: "acme", runId, generation: 1 });
    expect(await toldEnd(runId)).toMatchObject(theEnd);
  });
});

it("an execution whose run has ended is answered what is recorded, and refused everything else", async () => {
  const runId = await waitingIn("workSegment", "work");
  const { runId: firstExecutionRunId } = await handleOf(runId).describe();
  const execution = { runId, generation: 1, firstExecutionRunId };
  const begin = { execution, startCapability: await startCapabilityOf(world.api.admin, runId) };
  const attempt = { segment: 1, number: 1 };
  const { runWorker, workflows, agents } = world.workerApi;
  await runWorker.beginRun({ ...begin, attempt });
  await endByApi(runId);
  const uploads = [{ name: "logs/a", kind: "log", mediaType: "text/plain", sha256: "a".repeat(64), sizeBytes: 1n }];
  const refused = [
    workflows.reportWorkflowStatus({ execution }),
    workflows.reportWorkflowStatus({ execution, attempt }),
    runWorker.beginRun({ ...begin, attempt }),
    runWorker.createArtifactUploads({ execution, attempt, uploads }),
    runWorker.completeArtifactUploads({ execution, report: { segment: 1, attempt: 1 } }),
    runWorker.deliverHandoff({ execution }),
    agents.getBundleUrl({ execution, digest: "a".repeat(64) }),
  ].map(errorOf);
  for (const { code, rawMessage } of await Promise.all(refused))
    expect([code, rawMessage]).toEqual([Code.FailedPrecondition, expect.stringContaining("has ended FAILED")]);
  expect(await runWorker.beginRun(begin)).toMatchObject({ refused: true });
  expect((await runWorker.prepareSeal({ execution })).verdict?.passed).not.toBe(true);
  expect(await runWorker.commitSeal({ execution })).toMatchObject({ committed: false });
  const other = { execution, outcome: RunStatus.CANCELLED, cause: "cancelled", reason: "" };
  expect(await runWorker.abortSeal(other)).toMatchObject({ outcome: RunStatus.FAILED });
});
