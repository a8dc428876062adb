import type { Invariant } from "./invariant.ts";
import { lookBySql } from "./invariant.ts";

/** A run holds a place under each of its limits from its claim to its end, and never longer. */
export const placesAreHeldByRuns: Invariant = {
  id: "places",
  claim: "each place under a limit is held by a run that goes on",
  over: "runs",
  look: lookBySql("runs", "select count(*) as seen from page join queue_places using (tenant, run_id)", [
    `select p.tenant, p.run_id as id, 'is ' || r.status || ', and holds the place ' || p.key as what
     from page join queue_places as p using (tenant, run_id) join runs as r using (tenant, run_id) where r.ended_at is not null`,
    `select q.tenant, q.run_id as id, 'is started, and has no place ' || k.key as what
     from page join run_queue as q using (tenant, run_id), unnest(q.keys) as k (key)
     where q.started_at is not null and not exists (select from queue_places as p where p.tenant = q.tenant and p.run_id = q.run_id and p.key = k.key)`,
  ]),
};
