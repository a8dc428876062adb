import { randomUUID } from "node:crypto";
import type pg from "pg";
import { sha256Hex } from "../../../src/artifacts/blobs.ts";
import type { AutomationPlanJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { MethodologyContextJson } from "../../../src/gen/automation/v1/run_requested_pb.ts";
import type { RunPinsJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { ProfileJson, RequirementJson } from "../../../src/gen/governance/v1/profile_pb.ts";
import { deriveReferences } from "../../../src/methodology/context-references.ts";
import { draftRun } from "../../../src/runs/run-draft.ts";
import type { RunRow } from "../../../src/runs/run-store.ts";
import { genesis } from "../../../src/runs/stream/chain-events.ts";
import type { SealScope } from "../../../src/seal/run-so-far.ts";
import type { Scope } from "../../../src/tenancy/transaction.ts";
import { canonicalJson } from "../../../src/text/canonical-json.ts";

/** A run that BeginRun has just admitted, with its pinned profile. */
export const createBeginRun =
  (admin: Pick<pg.Pool, "query">) =>
  async (what: {
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
      cancel: null,
      attempt: null,
    },
  };
}
