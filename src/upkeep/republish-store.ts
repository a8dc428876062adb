import type { UnpublishedEvent } from "../runs/outbox/outbox-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** Where reading is: the key of the last event that was read. */
export interface EventPlace {
  /** Of the run. */
  readonly day: string;
  readonly tenant: string;
  readonly runId: string;
  readonly sequence: number;
}

/** Events are 64 KiB at most. */
const pageRows = 250;

/** @returns the place before the first event of runs that were accepted on that day or later */
export const beforeDay = (day: Date): EventPlace => ({
  ...{ day: day.toISOString().slice(0, 10), tenant: "", runId: "00000000-0000-0000-0000-000000000000", sequence: 0 },
});

/**
 * The next events, run by run in their order.
 * @returns how many were read, up to where, and those of them that were published and are not older than `since`; undefined after the last one
 */
export async function readPublished(
  transaction: Transaction,
  after: EventPlace,
  since: Date,
): Promise<
  { readonly read: number; readonly at: EventPlace; readonly events: readonly UnpublishedEvent[] } | undefined
> {
  const { rows } = await transaction.query<UnpublishedEvent & EventPlace & { json: string | null }>(
    `with page as (
       select e.day, e.tenant, e.run_id, e.sequence, e.at, e.event from run_events as e
       where e.day >= $1::date and (e.day, e.tenant, e.run_id, e.sequence) > ($1::date, $2, $3::uuid, $4)
       order by e.day, e.tenant, e.run_id, e.sequence limit $5
     )
     select page.day, page.tenant, page.run_id as "runId", page.sequence, page.at, page.event->'context'->>'org' as org,
       case when page.at >= $6 and page.sequence <= s.published_sequence then page.event::text end as json,
       r.correlation_id as "correlationId", r.event_id as "causationId", r.traceparent, r.tracestate
     from page join runs as r using (tenant, run_id) join run_streams as s using (tenant, run_id)
     order by page.day, page.tenant, page.run_id, page.sequence`,
    [after.day, after.tenant, after.runId, after.sequence, pageRows, since],
  );
  const last = rows.at(-1);
  if (last === undefined) return undefined;
  const { day, tenant, runId, sequence } = last;
  return {
    read: rows.length,
    at: { day, tenant, runId, sequence },
    events: rows.filter(({ json }) => json !== null),
  };
}
