import type { Transaction } from "../tenancy/transaction.ts";
import type { RequestRow } from "./request-store.ts";

/** `first`: this same delivery made the request, in this transaction or before. An identity of another org is a conflict; its run is not told. */
export interface Seen {
  readonly index: number;
  readonly seen: "first" | "duplicate" | "conflict";
  readonly requestId: string;
  readonly runId: string | null;
}

/** `isNew`: it was recorded now, and not by an earlier try. */
export type Repeated = Seen & { readonly isNew: boolean };

/** Classifies deliveries whose identity is known as duplicates or conflicts, and records them. The same record at the same position is not a new delivery. */
export async function recordDuplicates(
  transaction: Transaction,
  rows: readonly (RequestRow & { readonly index: number })[],
): Promise<Repeated[]> {
  if (rows.length === 0) return [];
  const { rows: seen } = await transaction.query<Repeated>(classify, [
    JSON.stringify(
      rows.map(({ index, tenant, org, source, eventId, eventType, digest, position, recordDigest }) => ({
        index,
        tenant,
        org,
        source,
        eventId,
        eventType,
        digest,
        position,
        recordDigest,
      })),
    ),
  ]);
  return seen;
}

/** An event may have got its run by a replay. */
const replayedRun = `
  select q.run_id from run_requests q where q.tenant = e.tenant and q.source = e.source and q.event_id = e.event_id and q.run_id is not null`;

const classify = `
  with input as (
    select * from jsonb_to_recordset($1) as i(index int, tenant text, org text, source text, "eventId" text, "eventType" text, digest text, position text, "recordDigest" text)
  ), seen as (
    select i.*, e.request_id, case when e.org = i.org then coalesce(e.run_id, (${replayedRun})) end as run_id,
      case when e.org <> i.org then 'conflict' when e.position = i.position and e.record_digest = i."recordDigest" then 'first' when e.payload_digest = i.digest then 'duplicate' else 'conflict' end as seen
    from input i join event_identities e on e.tenant = i.tenant and e.source = i.source and e.event_id = i."eventId"
  ), again as (
    insert into deliveries (tenant, org, position, record_digest, request_id, source, event_id, event_type, run_id, disposition, payload_digest)
    select tenant, org, position, "recordDigest", request_id, source, "eventId", "eventType", run_id, seen, digest from seen where seen <> 'first' order by tenant, position
    on conflict do nothing returning position, record_digest
  )
  select index, seen, request_id as "requestId", run_id as "runId", again.position is not null as "isNew"
  from seen left join again on again.position = seen.position and again.record_digest = seen."recordDigest" order by index`;
