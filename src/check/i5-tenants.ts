import type { Invariant } from "./invariant.ts";
import { lookBySql } from "./invariant.ts";

/** Tables of what a run makes; each is read by (tenant, run_id). */
const ofRuns = [
  ...["run_queue", "queue_places", "run_streams", "work_reports", "artifacts", "verdicts", "attestations", "seals"],
  "handoff_calls",
];

/** What a run makes belongs to its org; so nothing of it is read by another. */
export const runsStayInTheirOrg: Invariant = {
  id: "I5",
  claim: "everything of a run belongs to its tenant and org",
  over: "runs",
  look: lookBySql("runs", "select count(*) as seen from page join runs using (tenant, run_id)", [
    ...ofRuns.map(
      (
        table,
      ) => `select r.tenant, r.run_id as id, 'belongs to org ' || r.org || ', and a row of ${table} to ' || min(t.org) as what
       from page join runs as r using (tenant, run_id) join ${table} as t using (tenant, run_id) where t.org <> r.org group by r.tenant, r.run_id, r.org`,
    ),
    `select r.tenant, r.run_id as id, 'belongs to org ' || r.org || ', and an event of it to ' || min(e.org) as what
     from page join runs as r using (tenant, run_id) join run_events as e on e.day = r.day and e.tenant = r.tenant and e.run_id = r.run_id
     where e.org <> r.org or e.event->'context'->>'org' <> r.org or e.event->'context'->>'tenant' <> r.tenant group by r.tenant, r.run_id, r.org`,
    `select r.tenant, r.run_id as id, 'belongs to org ' || r.org || ', and its request to ' || q.org as what
     from page join runs as r using (tenant, run_id) join run_requests as q on q.tenant = r.tenant and q.request_id = r.request_id where q.org <> r.org`,
    `select r.tenant, r.run_id as id, 'has the artifact ' || a.name || ' at ' || a.object_key as what
     from page join runs as r using (tenant, run_id) join artifacts as a using (tenant, run_id)
     where a.object_key <> 'tenants/' || r.tenant || '/orgs/' || r.org || '/sha256/' || a.sha256`,
  ]),
};
