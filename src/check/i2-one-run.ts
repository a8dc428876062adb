import type { Invariant } from "./invariant.ts";
import { lookBySql } from "./invariant.ts";

/** An identity is decided once, and a decision makes one run. */
export const oneRunPerDecision: Invariant = {
  id: "I2",
  claim: "each run belongs to one decision about one event",
  over: "runs",
  look: lookBySql("runs", "select count(*) as seen from page join runs using (tenant, run_id)", [
    `select r.tenant, r.run_id as id, 'belongs to request ' || r.request_id || coalesce(', which has run ' || q.run_id, ', which has none') as what
     from page join runs as r using (tenant, run_id) left join run_requests as q on q.tenant = r.tenant and q.request_id = r.request_id
     where q.run_id is distinct from r.run_id and (q.tenant is not null or r.created_at >= (select since from kept_since where what = 'requests'))`,
    `select r.tenant, r.run_id as id, 'is about event ' || r.event_id || ', and its request about ' || q.event_id as what
     from page join runs as r using (tenant, run_id) join run_requests as q on q.tenant = r.tenant and q.request_id = r.request_id
     where (q.source, q.event_id) <> (r.source, r.event_id)`,
    `select r.tenant, r.run_id as id, 'is not the run of its event, which is ' || coalesce(i.run_id::text, 'none') as what
     from page join runs as r using (tenant, run_id) join run_requests as q on q.tenant = r.tenant and q.request_id = r.request_id and q.decision = 0
       left join event_identities as i on i.tenant = r.tenant and i.source = r.source and i.event_id = r.event_id
     where i.run_id is distinct from r.run_id`,
  ]),
};

export const oneDecisionAtATime: Invariant = {
  id: "I2",
  claim: "each decision about an event is made once",
  over: "requests",
  look: lookBySql("requests", "select count(*) as seen from page join run_requests using (tenant, request_id)", [
    `select q.tenant, q.request_id as id, 'decides event ' || q.event_id || ' as request ' || other.request_id || ' does' as what
     from page join run_requests as q using (tenant, request_id)
       join run_requests as other on other.tenant = q.tenant and other.event_id = q.event_id and other.source = q.source and other.decision = q.decision
         and other.request_id <> q.request_id`,
  ]),
};
