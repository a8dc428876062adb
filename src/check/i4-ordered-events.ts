import { sha256Hex } from "../artifacts/blobs.ts";
import type { RunEventJson } from "../gen/automation/v1/run_event_pb.ts";
import { genesis } from "../runs/stream/chain-events.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { canonicalJson } from "../text/canonical-json.ts";
import type { Finding, Invariant, Page } from "./invariant.ts";
import { lookByAll, lookBySql } from "./invariant.ts";

/** Events that are held in memory at once, 64 KiB each at most. */
const eventsAtOnce = 250;

/** The log of each run is whole, and the bus has it or will get it. */
export const eventsAreOrdered: Invariant = {
  id: "I4",
  claim: "each run's events are numbered without gaps, chained by their hashes, and published or waiting for it",
  over: "runs",
  look: lookByAll(
    lookBySql("runs", "select count(*) as seen from page join run_streams using (tenant, run_id)", [
      `select r.tenant, r.run_id as id, 'has no stream of events' as what
       from page join runs as r using (tenant, run_id) left join run_streams as s using (tenant, run_id) where s.last_sequence is null`,
      `select r.tenant, r.run_id as id, 'has ' || count(e.sequence) || ' events, to number ' || coalesce(max(e.sequence), 0) || ', and its stream ends at ' || s.last_sequence as what
       from page join runs as r using (tenant, run_id) join run_streams as s using (tenant, run_id)
         left join run_events as e on e.day = r.day and e.tenant = r.tenant and e.run_id = r.run_id
       where r.day >= (select since::date from kept_since where what = 'run_events')
       group by r.tenant, r.run_id, s.last_sequence
       having count(e.sequence) <> s.last_sequence or coalesce(max(e.sequence), 0) <> s.last_sequence`,
      `select r.tenant, r.run_id as id, case when s.closed then 'has not ended, and its stream is closed' else 'has ended, and its stream is open' end as what
       from page join runs as r using (tenant, run_id) join run_streams as s using (tenant, run_id) where s.closed <> (r.ended_at is not null)`,
      `select s.tenant, s.run_id as id, 'has events to ' || s.last_sequence || ', published to ' || s.published_sequence || ', and nothing waits to be published' as what
       from page join run_streams as s using (tenant, run_id)
       where s.published_sequence < s.last_sequence and not exists (
         select from outbox as o where o.kind = 'run_events' and o.tenant = s.tenant and o.run_id = s.run_id and o.through_sequence >= s.last_sequence)`,
    ]),
    lookAtChains,
  ),
};

/** Hashes every event anew; events are read piece by piece, in the order of the runs. */
async function lookAtChains(transaction: Transaction, { tenants, ids }: Page) {
  const findings: Finding[] = [];
  let seen = 0;
  let last = { place: 0, sequence: 0, hash: genesis.lastHash };
  for (;;) {
    const { rows } = await transaction.query<{
      place: number;
      tenant: string;
      runId: string;
      sequence: number;
      hash: string;
      lastHash: string | null;
      event: RunEventJson;
    }>(
      `select page.place, e.tenant, e.run_id as "runId", e.sequence, e.hash, e.event, case e.sequence when s.last_sequence then s.last_hash end as "lastHash"
       from unnest($1::text[], $2::uuid[]) with ordinality as page (tenant, run_id, place)
         join runs as r using (tenant, run_id) join run_streams as s using (tenant, run_id)
         join run_events as e on e.day = r.day and e.tenant = r.tenant and e.run_id = r.run_id
       where page.place > $3 or (page.place = $3 and e.sequence > $4)
       order by page.place, e.sequence limit $5`,
      [tenants, ids, last.place, last.sequence, eventsAtOnce],
    );
    for (const { place, tenant, runId, sequence, hash, lastHash, event } of rows) {
      const previous = place === last.place ? last.hash : genesis.lastHash;
      const fault =
        sha256Hex(canonicalJson(event)) !== hash
          ? "is not the one that was hashed"
          : event.prevHash !== previous
            ? "does not follow the one before it"
            : (lastHash ?? hash) !== hash
              ? "is the last one, and the stream names another"
              : undefined;
      if (fault !== undefined) findings.push({ tenant, id: runId, what: `has event ${sequence}, which ${fault}` });
      last = { place, sequence, hash };
    }
    seen += rows.length;
    if (rows.length < eventsAtOnce) return { seen, findings };
  }
}
