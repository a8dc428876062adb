import type { JsonObject } from "@bufbuild/protobuf";
import type { HandoffCall } from "../../methodology/methodology.ts";
import type { RunStatus } from "../../runs/run-status.ts";
import type { Transaction } from "../../tenancy/transaction.ts";

/** A call to a receiver, as stored. */
export interface CallRow extends HandoffCall {
  readonly callId: string;
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly receiver: string;
  readonly idempotencyKey: string;
  readonly state: "DUE" | "ACKNOWLEDGED" | "REFUSED" | "STUCK";
  readonly attempts: number;
  readonly lastError: string;
  /** Null while the workflow sends the call. */
  readonly nextAttemptAt: Date | null;
}

/** A call with the trace context of its run. */
export interface TracedCall extends CallRow {
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

const columns = `call_id as "callId", tenant, org, run_id as "runId", receiver, rpc, idempotency_key as "idempotencyKey", phase, meta, payload, state,
  attempts, last_error as "lastError", next_attempt_at as "nextAttemptAt"`;

/** A call to be stored. */
export interface NewCall extends HandoffCall, Pick<CallRow, "callId" | "receiver" | "idempotencyKey"> {
  /** sha256 of the RFC 8785 JSON of rpc, phase, meta and payload. */
  readonly requestDigest: string;
  /** When the deliver loop sends it; null: the workflow sends it. */
  readonly dueAt: Date | null;
}

export async function insertCalls(
  transaction: Transaction,
  run: { readonly tenant: string; readonly org: string; readonly runId: string },
  calls: readonly NewCall[],
  at: Date,
): Promise<void> {
  if (calls.length === 0) return;
  await transaction.query(
    `insert into handoff_calls (tenant, org, run_id, created_at, state, call_id, receiver, rpc, idempotency_key, phase, meta, payload, request_digest, next_attempt_at)
     select $1, $2, $3, $4, 'DUE', c."callId", c.receiver, c.rpc, c."idempotencyKey", c.phase, c.meta, c.payload, c."requestDigest", c."dueAt"
     from jsonb_to_recordset($5) as c("callId" uuid, receiver text, rpc text, "idempotencyKey" text, phase text, meta jsonb, payload jsonb, "requestDigest" text, "dueAt" timestamptz)`,
    [run.tenant, run.org, run.runId, at, JSON.stringify(calls)],
  );
}

/** A call as it stands when it was just inserted. */
export const storedCall = (
  { tenant, org, runId }: Pick<CallRow, "tenant" | "org" | "runId">,
  { requestDigest: _, dueAt, ...call }: NewCall,
): CallRow => ({ ...call, tenant, org, runId, state: "DUE", attempts: 0, lastError: "", nextAttemptAt: dueAt });

/** All calls of a run, oldest first. */
export async function listCalls(transaction: Transaction, tenant: string, runId: string): Promise<CallRow[]> {
  const { rows } = await transaction.query<CallRow>(
    `select ${columns} from handoff_calls where tenant = $1 and run_id = $2 order by created_at, rpc, phase`,
    [tenant, runId],
  );
  return rows;
}

/** Key and receiver of a due call. */
export type ClaimedCall = Pick<CallRow, "tenant" | "org" | "callId" | "receiver">;

/** Claims due calls of all tenants for 10 s; each is read and sent in the scope of its own tenant and org. @param busy - receivers to leave out */
export async function claimDueCalls(
  transaction: Transaction,
  atMost: number,
  busy: readonly string[],
): Promise<ClaimedCall[]> {
  const { rows } = await transaction.query<ClaimedCall>(
    'select tenant, org, call_id as "callId", receiver from claim_due_handoff_calls($1, $2)',
    [atMost, busy],
  );
  return rows;
}

/** A call that has been due for too long. */
export type HeldUpCall = Pick<CallRow, "tenant" | "runId" | "receiver" | "rpc" | "phase" | "lastError">;

/** Marks calls of all tenants that have no answer after 15 minutes, at most 100. @returns the newly marked ones */
export async function markHeldUpCalls(transaction: Transaction): Promise<HeldUpCall[]> {
  const { rows } = await transaction.query<HeldUpCall>(
    'select tenant, run_id as "runId", receiver, rpc, phase, last_error as "lastError" from mark_held_up_calls()',
  );
  return rows;
}

/** Marked calls that still have no answer, with their runs, oldest first, at most 200. */
export async function listHeldUpCalls(transaction: Transaction, tenant: string) {
  const { rows } = await transaction.query<
    Pick<CallRow, "runId" | "receiver" | "rpc" | "phase" | "lastError" | "attempts"> & {
      readonly status: RunStatus;
      readonly generation: number;
      readonly since: Date;
    }
  >(
    `select c.run_id as "runId", r.status, r.generation, c.created_at as since, c.receiver, c.rpc, c.phase, c.last_error as "lastError", c.attempts
     from handoff_calls c join runs r on r.tenant = c.tenant and r.run_id = c.run_id
     where c.tenant = $1 and c.state = 'DUE' and c.held_up_at is not null order by c.created_at limit 200`,
    [tenant],
  );
  return rows;
}

type CallKey = Pick<CallRow, "tenant" | "callId">;

/** Extends the claim of a call, so that no other replica sends it for `forMs`. @returns undefined when it has its answer */
export async function holdCall(
  transaction: Transaction,
  call: CallKey,
  forMs: number,
): Promise<TracedCall | undefined> {
  const { rows } = await transaction.query<TracedCall>(
    `with held as (
       update handoff_calls set next_attempt_at = now() + $3::float8 * interval '1 millisecond'
       where tenant = $1 and call_id = $2 and state = 'DUE' returning ${columns}
     )
     select held.*, r.traceparent, r.tracestate from held join runs as r on r.tenant = held.tenant and r.run_id = held."runId"`,
    [call.tenant, call.callId, forMs],
  );
  return rows[0];
}

/** Makes a call that was not sent due again at a later time. */
export async function postponeCall(transaction: Transaction, call: CallKey, until: Date): Promise<void> {
  await transaction.query(
    "update handoff_calls set next_attempt_at = $3 where tenant = $1 and call_id = $2 and state = 'DUE'",
    [call.tenant, call.callId, until],
  );
}

/** An answer after which a call is not sent again. */
export interface FinalAnswer {
  readonly call: CallKey;
  readonly state: "ACKNOWLEDGED" | "REFUSED" | "STUCK";
  readonly answer: JsonObject;
  readonly lastError: string;
}

/** Stores answers; only the first one to a call counts. @returns the ids of the calls whose first answer this is */
export async function storeAnswers(
  transaction: Transaction,
  answers: readonly FinalAnswer[],
  at: Date,
): Promise<ReadonlySet<string>> {
  if (answers.length === 0) return new Set();
  const { rows } = await transaction.query<{ callId: string }>(
    `update handoff_calls as c set state = a.state, answer = a.answer, last_error = a."lastError", attempts = c.attempts + 1, answered_at = $2, next_attempt_at = null
     from jsonb_to_recordset($1) as a(tenant text, "callId" uuid, state text, answer jsonb, "lastError" text)
     where c.tenant = a.tenant and c.call_id = a."callId" and c.state = 'DUE' returning c.call_id as "callId"`,
    [JSON.stringify(answers.map(({ call: { tenant, callId }, ...answer }) => ({ tenant, callId, ...answer }))), at],
  );
  return new Set(rows.map(({ callId }) => callId));
}

/** Counts an attempt without an answer. @param retryInMs - null: the workflow retries */
export async function storeSilence(
  transaction: Transaction,
  call: CallKey,
  lastError: string,
  retryInMs: number | null,
): Promise<void> {
  await transaction.query(
    `update handoff_calls set attempts = attempts + 1, last_error = $3, next_attempt_at = now() + $4::float8 * interval '1 millisecond'
     where tenant = $1 and call_id = $2 and state = 'DUE'`,
    [call.tenant, call.callId, lastError, retryInMs],
  );
}
