import type { Transaction } from "../tenancy/transaction.ts";
import type { NewRun } from "./new-run.ts";
import { enqueueRuns } from "./run-queue-store.ts";
import { insertReferences } from "./run-reference-store.ts";
import { beginStreams } from "./stream/run-event-store.ts";
import { nextLimit } from "./time-limits.ts";

/** Writes new runs with their references, queue entries and first events, which are then published. */
export async function insertRuns(transaction: Transaction, runs: readonly NewRun[]): Promise<void> {
  if (runs.length === 0) return;
  const rows = runs.map(({ run }) => ({ ...run, dueAt: nextLimit(run)?.dueAt }));
  await Promise.all([
    transaction.query(insertRows, [JSON.stringify(rows)]),
    insertReferences(
      transaction,
      runs.map(({ run }) => ({ run, refs: Object.values(run.references).flat() })),
    ),
    enqueueRuns(
      transaction,
      runs.map(({ run }) => run),
    ),
    beginStreams(transaction, runs),
  ]);
}

const insertRows = `
  insert into runs (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id,
    profile_version, profile_digest, rule_id, rule_version, rerun_of, method, work_kind, cadence_id, "references", requested, pins, shown, status, priority, correlation_id,
    traceparent, tracestate, queue_limit_seconds, work_limit_seconds, handoff_limit_seconds, deadline_at, due_at, day, created_at)
  select tenant, "runId", org, "requestId", source, "eventId", "definitionId", "definitionVersion", "definitionDigest", "profileId",
    "profileVersion", "profileDigest", "ruleId", "ruleVersion", "rerunOf", method, "workKind", "cadenceId", "references", requested, pins, shown, status, priority, "correlationId",
    traceparent, tracestate, "queueLimitSeconds", "workLimitSeconds", "handoffLimitSeconds", "deadlineAt", "dueAt", day, "createdAt"
  from jsonb_to_recordset($1) as r(
    tenant text, "runId" uuid, org text, "requestId" uuid, source text, "eventId" text, "definitionId" text, "definitionVersion" text,
    "definitionDigest" text, "profileId" text, "profileVersion" text, "profileDigest" text, "ruleId" text, "ruleVersion" int, "rerunOf" uuid, method text, "workKind" text,
    "cadenceId" text, "references" jsonb, requested jsonb, pins jsonb, shown jsonb, status text, priority smallint, "correlationId" text,
    traceparent text, tracestate text, "queueLimitSeconds" int, "workLimitSeconds" int, "handoffLimitSeconds" int, "deadlineAt" timestamptz,
    "dueAt" timestamptz, day date, "createdAt" timestamptz)`;
