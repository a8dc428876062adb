import { randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import type { ObjectStore } from "../../../src/artifacts/object-store.ts";
import { createInScope, createInTransaction } from "../../../src/drivers/postgres/in-scope.ts";
import { createS3 } from "../../../src/drivers/s3/s3.ts";
import type { RequirementJson } from "../../../src/gen/governance/v1/profile_pb.ts";
import type { ReceiverOf } from "../../../src/methodology/methodology.ts";
import { createUseKeys } from "../../../src/proof/attestations/signing-keys.ts";
import { createCancelRun } from "../../../src/runs/cancel-run.ts";
import { assertRun, createInRun } from "../../../src/runs/in-run.ts";
import { createAbortSeal } from "../../../src/seal/abort/abort-seal.ts";
import type { AbortedEnd } from "../../../src/seal/abort/aborted-end.ts";
import { createCommitSeal } from "../../../src/seal/commit-seal.ts";
import { createDescribeSeal } from "../../../src/seal/describe-seal.ts";
import { createDeliverHandoff } from "../../../src/seal/handoff/deliver-handoff.ts";
import { createDeliverLoop } from "../../../src/seal/handoff/deliver-loop.ts";
import type { StuckCall } from "../../../src/seal/handoff/deliver-with-retries.ts";
import type { HeldUpCall } from "../../../src/seal/handoff/handoff-store.ts";
import { createReceivers } from "../../../src/seal/handoff/receivers.ts";
import { createPrepareSeal } from "../../../src/seal/prepare-seal.ts";
import { createReconcileRun } from "../../../src/seal/reconcile/reconcile-run.ts";
import type { EndScope, SealScope } from "../../../src/seal/run-so-far.ts";
import type { InScope } from "../../../src/tenancy/transaction.ts";
import { createCompleteWork } from "../../../src/work/complete-work.ts";
import { createExaminer } from "../../../src/work/examine/examiner/examiner.ts";
import { examinerLimits } from "../../../src/work/examine/examiner/run-examiner.ts";
import { createGrantUploads } from "../../../src/work/grant-uploads.ts";
import type { ReportedWork } from "../../../src/work/work-report-store.ts";
import { createBeginRun } from "../builders/begun-run.ts";
import { openKeys } from "../builders/signing-keys.ts";
import { borrowEngines } from "../engines/borrow-engines.ts";
import { createDatabase } from "../engines/database.ts";

export const baseUri = "https://automation.example/proof";
export const ran: RequirementJson = {
  id: "run-completed",
  kind: "agent-run",
  outcome: "COMPLETED",
  remedy: "Mend what stopped it.",
};
export const tested: RequirementJson = {
  id: "tests-passed",
  kind: "test-result",
  outcome: "PASSED",
  remedy: "Add a test step.",
};

const limitMs = 120_000;

export type Sealing = Awaited<ReturnType<typeof startSealing>>;

/** Everything that ends runs, over a real Postgres with the api's role and a real S3. */
export async function startSealing() {
  const engines = await borrowEngines({ postgres: true, s3: true });
  const database = await createDatabase(engines.postgres.url);
  const admin = new pg.Pool({ connectionString: database.superuserUrl, max: 4 });
  admin.on("error", () => {}); // clients that are still closing when Postgres stops say so
  const pool = database.poolOf("api");
  const s3 = createS3(engines.s3);
  await s3.ensureBucket();
  const now = () => new Date();
  const keys = await openKeys(join(engines.dir, "keys"));
  const signer = keys();
  const inTransaction = createInTransaction(pool);
  const useKeys = createUseKeys({ inTransaction, now, keys });
  const stuck: StuckCall[] = [];
  const heldUp: HeldUpCall[] = [];
  const fallbacks: unknown[] = [];

  /** The use cases, wired as the api does; what a test changes is named. */
  const wire = (
    receiverOf: ReceiverOf,
    change: { inScope?: InScope; onDue?: () => void; objects?: Partial<ObjectStore>; receiverNow?: () => Date } = {},
  ) => {
    const inScope = change.inScope ?? createInScope(pool);
    const objects = { ...s3, ...change.objects };
    const onDue = change.onDue ?? (() => {});
    const receivers = createReceivers({ receiverOf, now: change.receiverNow ?? now, random: () => 0 });
    const deps = {
      receivers,
      inScope,
      inTransaction,
      inRun: createInRun({ inScope, now }),
      objects,
      receiverOf,
      baseUri,
      now,
      useKeys,
      onDue,
      onStuck: (call: StuckCall) => stuck.push(call),
      onHeldUp: (call: HeldUpCall) => heldUp.push(call),
      onError: console.error,
      random: () => 0,
      onFallback: (error: unknown) => void fallbacks.push(error),
    };
    const examine = createExaminer({ objects, limits: examinerLimits });
    const completeWork = createCompleteWork({ ...deps, examine });
    const cancelRun = createCancelRun({
      inRun: deps.inRun,
      newId: () => randomUUID(),
      now,
      workflowIdOf: () => "workflow",
      onCommand: () => undefined,
    });
    const limit = () => AbortSignal.timeout(limitMs);
    const abortSeal = createAbortSeal(deps);
    const prepare = createPrepareSeal(deps);
    const deliver = createDeliverHandoff(deps);
    const loop = createDeliverLoop(deps);
    const commit = createCommitSeal({ ...deps, deliverLoop: loop });
    return {
      grant: createGrantUploads(deps),
      complete: (scope: SealScope, told: ReportedWork) => completeWork(scope, told, limit()),
      /** As the worker's door makes them. */
      calls: { prepareSeal: prepare, deliverHandoff: deliver, commitSeal: commit, abortSeal },
      prepare: async (scope: SealScope) => (await prepare(scope, limit())).answer,
      deliver: async (scope: SealScope, signal: AbortSignal) => (await deliver(scope, signal)).answer,
      commit: (scope: SealScope) => commit(scope, limit()),
      /** As paula asks for it. */
      cancel: ({ tenant, org, runId }: SealScope, reason = "") =>
        cancelRun({ runId, reason }, { tenant, org, subject: "paula", roles: ["operator"] }),
      abort: (scope: EndScope, end: AbortedEnd) => abortSeal(scope, end, limit()),
      reconcile: createReconcileRun({ ...deps, abortSeal, onReconciled: () => undefined }),
      describe: createDescribeSeal(deps),
      loop,
    };
  };

  const beginRun = createBeginRun(admin);

  return {
    assertRun,
    engines,
    database,
    admin,
    s3,
    signer,
    stuck,
    heldUp,
    fallbacks,
    wire,
    beginRun,
    inTransaction,
    inScope: createInScope(pool),
    async stop() {
      s3.close();
      await Promise.all([database.close(), admin.end()]);
      await engines.stop();
    },
  };
}
