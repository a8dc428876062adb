import { randomUUID } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { sha256Hex } from "../../src/artifacts/blobs.ts";
import { createGrantUploads } from "../../src/artifacts/grant-uploads.ts";
import type { AutomationPlanJson } from "../../src/gen/automation/v1/automation_plan_pb.ts";
import type { MethodologyContextJson } from "../../src/gen/automation/v1/run_requested_pb.ts";
import type { RunPinsJson } from "../../src/gen/automation/v1/run_work_pb.ts";
import type { ProfileJson, RequirementJson } from "../../src/gen/governance/v1/profile_pb.ts";
import { deriveReferences } from "../../src/methodology/context-references.ts";
import { createInScope, createInTransaction } from "../../src/postgres/in-scope.ts";
import { createCompleteWork } from "../../src/proof/complete-work.ts";
import { createExaminer } from "../../src/proof/examination/examiner.ts";
import { examinerLimits } from "../../src/proof/examination/run-examiner.ts";
import { publishSigningKeys } from "../../src/proof/signing-keys.ts";
import type { ReportedWork } from "../../src/proof/work-report-store.ts";
import { genesis } from "../../src/runs/chain-events.ts";
import { createInRun } from "../../src/runs/in-run.ts";
import { draftRun } from "../../src/runs/run-draft.ts";
import type { RunRow } from "../../src/runs/run-store.ts";
import { createAssertMayUpload } from "../../src/runs/work-attempt.ts";
import { createS3 } from "../../src/s3/s3.ts";
import { createAbortSeal } from "../../src/seal/abort-seal.ts";
import { createCommitSeal } from "../../src/seal/commit-seal.ts";
import type { StuckCall } from "../../src/seal/deliver-due-call.ts";
import { createDeliverHandoff } from "../../src/seal/deliver-handoff.ts";
import { createDeliverLoop } from "../../src/seal/deliver-loop.ts";
import { createDescribeSeal } from "../../src/seal/describe-seal.ts";
import type { MethodologyOf } from "../../src/seal/handoff-request.ts";
import { createPrepareSeal } from "../../src/seal/prepare-seal.ts";
import { createReconcileRun } from "../../src/seal/reconcile-run.ts";
import type { SealScope } from "../../src/seal/run-so-far.ts";
import { openFileSigner } from "../../src/signing/file-signer.ts";
import type { InScope, Scope } from "../../src/tenancy/transaction.ts";
import { canonicalJson } from "../../src/text/canonical-json.ts";
import { createDatabase } from "./database.ts";
import { startEngines } from "./engines.ts";

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
  const engines = await startEngines({ postgres: true, s3: true });
  const database = await createDatabase(engines.postgres.url);
  const admin = new pg.Pool({ connectionString: database.superuserUrl, max: 4 });
  admin.on("error", () => {}); // clients that are still closing when Postgres stops say so
  const pool = database.poolOf("api");
  const s3 = createS3({ ...engines.s3, bucket: "automation" });
  await s3.ensureBucket();
  const now = () => new Date();
  const signer = await openFileSigner(join(engines.dir, "keys"));
  const inTransaction = createInTransaction(pool);
  await publishSigningKeys({ inTransaction, now }, signer.publicKeys);
  const stuck: StuckCall[] = [];

  /** The use cases, wired as the api does; what a test changes is named. */
  const wire = (methodologyOf: MethodologyOf, change: { inScope?: InScope; onDue?: () => void } = {}) => {
    const inScope = change.inScope ?? createInScope(pool);
    const onDue = change.onDue ?? (() => {});
    const deps = {
      ...{ inScope, inTransaction, inRun: createInRun({ inScope, now }), objects: s3, methodologyOf, baseUri, now },
      ...{ sign: signer.sign, onDue, onStuck: (call: StuckCall) => stuck.push(call), onError: console.error },
      random: () => 0,
    };
    const examine = createExaminer({ objects: s3, limits: examinerLimits });
    const completeWork = createCompleteWork({ ...deps, examine });
    const abort = createAbortSeal(deps);
    return {
      grant: createGrantUploads({ ...deps, assertMayUpload: createAssertMayUpload(deps) }),
      complete: (scope: SealScope, told: ReportedWork) => completeWork(scope, told, AbortSignal.timeout(limitMs)),
      prepare: createPrepareSeal(deps),
      deliver: createDeliverHandoff(deps),
      commit: createCommitSeal(deps),
      abort,
      reconcile: createReconcileRun({ ...deps, abortSeal: abort, onReconciled: () => undefined }),
      describe: createDescribeSeal(deps),
      loop: createDeliverLoop(deps),
    };
  };

  /** A run that BeginRun has just admitted, with its pinned profile. */
  const beginRun = async (what: {
    tenant: string;
    org?: string;
    requirements: RequirementJson[];
    receiver?: string;
    context: MethodologyContextJson;
    /** For a run that works in boxes. */
    work?: { plan: AutomationPlanJson; pins: RunPinsJson; baseCommit: string };
  }): Promise<SealScope> => {
    const { tenant, org = "retail", requirements, receiver, context, work } = what;
    const profile: ProfileJson = {
      id: "team",
      version: sha256Hex(canonicalJson({ requirements, receiver: receiver ?? "" })).slice(0, 8),
      method: "METHOD_SCRUM",
      gate: { id: "definition_of_done", requirements },
      ...(receiver === undefined ? {} : { handoff: { receiver, onRefusal: "REFUSAL_POLICY_FAIL" } }),
    };
    const run = aRun({ tenant, org }, profile, context);
    const draft = draftRun(run, genesis, run.createdAt);
    draft.moveTo("PREPARING", "begin/1");
    await admin.query(
      `insert into methodology_profiles (tenant, profile_id, version, profile, digest, published_by) values ($1, $2, $3, $4, $5, 'admin')
       on conflict do nothing`,
      [tenant, profile.id, profile.version, profile, run.profileDigest],
    );
    await admin.query(
      `insert into runs (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id,
         profile_version, profile_digest, method, work_kind, cadence_id, "references", requested, status, execution_run_id, correlation_id, deadline_at, day, created_at, begun_at, work_begun_at)
       values ($1, $2, $14, $3, 'urn:test', $4, 'evidence', '1', $5, $6, $7, $8, 'scrum', 'story', 'S-7', $9, $10, 'PREPARING', 'first', 'corr-1', $11, $12, $13, $13, $13)`,
      [
        ...[tenant, run.runId, run.requestId, run.eventId, run.definitionDigest, profile.id, profile.version],
        ...[run.profileDigest, run.references, run.requested, run.deadlineAt, run.day, run.createdAt, org],
      ],
    );
    if (work !== undefined) {
      const { plan, pins, baseCommit } = work;
      await admin.query("update runs set pins = $2, base_commit = $3, definition_version = $4 where run_id = $1", [
        ...[run.runId, pins, baseCommit, run.runId],
      ]);
      await admin.query(
        `with d as (insert into workflow_definitions (tenant, definition_id) values ($1, 'evidence') on conflict do nothing)
         insert into workflow_versions (tenant, definition_id, version, plan, digest, published_by) values ($1, 'evidence', $2, $3, $4, 'admin')`,
        [tenant, run.runId, plan, run.definitionDigest],
      );
    }
    await admin.query(
      "insert into run_streams (tenant, org, run_id, last_sequence, last_hash) values ($1, $2, $3, $4, $5)",
      [...[tenant, run.org, run.runId, draft.head.lastSequence, draft.head.lastHash]],
    );
    for (const { sequence, writerKey, hash, event } of draft.events)
      await admin.query("insert into run_events values ($1, $2, $3, $4, $5, $6, $7, $8, $9)", [
        ...[tenant, run.runId, run.day, sequence, writerKey, event.at, hash, event, run.org],
      ]);
    return { tenant, org, runId: run.runId, execution: { generation: 1, firstExecutionRunId: "first" } };
  };

  return {
    ...{ engines, admin, s3, signer, stuck, wire, beginRun, inTransaction },
    inScope: createInScope(pool),
    async stop() {
      s3.close();
      await Promise.all([database.close(), admin.end()]);
      await engines.stop();
    },
  };
}

function aRun(scope: Scope, profile: ProfileJson, context: MethodologyContextJson): RunRow {
  const createdAt = new Date();
  return {
    ...{ ...scope, runId: randomUUID(), requestId: randomUUID(), source: "urn:test", eventId: randomUUID() },
    ...{ definitionId: "evidence", definitionVersion: "1", definitionDigest: sha256Hex("{}") },
    ...{ profileId: profile.id ?? "", profileVersion: profile.version ?? "" },
    profileDigest: sha256Hex(canonicalJson(profile)),
    ...{ ruleId: null, method: "scrum", workKind: "story", cadenceId: "S-7" },
    references: deriveReferences(context).references,
    requested: { profile: { id: profile.id }, context, workKind: "story", goal: "attach evidence" },
    ...{ pins: null, baseCommit: null },
    ...{ status: "ADMITTED", reason: "", desiredState: "RUN", generation: 1, executionRunId: "first" },
    ...{ correlationId: "corr-1", traceparent: null, tracestate: null },
    ...{ queueLimitSeconds: 86_400, workLimitSeconds: 3_600, handoffLimitSeconds: 259_200, deadlineAt: null },
    day: createdAt.toISOString().slice(0, 10),
    ...{
      createdAt,
      startedAt: createdAt,
      begunAt: createdAt,
      endedAt: null,
      workBegunAt: createdAt,
      sealingAt: null,
      waiting: null,
    },
  };
}
