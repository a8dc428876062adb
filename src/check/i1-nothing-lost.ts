import type { Invariant } from "./invariant.ts";
import { lookBySql } from "./invariant.ts";

/** Each delivery has exactly one disposition, and what was accepted is there. */
export const eachRequestIsKept: Invariant = {
  id: "I1",
  claim: "each delivery has one disposition, and each accepted request its run",
  over: "requests",
  look: lookBySql("requests", "select count(*) as seen from page join run_requests using (tenant, request_id)", [
    `select q.tenant, q.request_id as id, 'has no identity, so that its event would be decided again' as what
     from page join run_requests as q using (tenant, request_id)
       left join event_identities as i on i.tenant = q.tenant and i.source = q.source and i.event_id = q.event_id
     where i.tenant is null`,
    `select q.tenant, q.request_id as id, 'is accepted, and its run is not there' as what
     from page join run_requests as q using (tenant, request_id) left join runs as r on r.tenant = q.tenant and r.run_id = q.run_id
     where q.disposition = 'accepted' and r.tenant is null`,
    `select q.tenant, q.request_id as id, 'is ' || q.disposition || ', and has run ' || q.run_id as what
     from page join run_requests as q using (tenant, request_id) where q.disposition <> 'accepted' and q.run_id is not null`,
    `select q.tenant, q.request_id as id, 'was delivered at ' || d.position || ', where a delivery is ' || d.disposition as what
     from page join run_requests as q using (tenant, request_id)
       join event_identities as i on i.tenant = q.tenant and i.source = q.source and i.event_id = q.event_id and i.request_id = q.request_id
       join deliveries as d on d.tenant = i.tenant and d.position = i.position and d.record_digest = i.record_digest`,
  ]),
};

/** What an identity or a repeated delivery refers to. */
export const eachNamedRequestIsThere: Invariant = {
  id: "I1",
  claim: "each identity and each repeated delivery names a request that is there",
  over: "names",
  look: lookBySql("names", "select count(*) as seen from page", [
    `select tenant, request_id as id, 'is named by an identity or a delivery, and is not there' as what
     from page left join run_requests as q using (tenant, request_id) where q.disposition is null`,
  ]),
};

/** No run is left where nobody looks after it. */
export const noRunIsForgotten: Invariant = {
  id: "I1",
  claim: "each run that has not ended waits in the queue or has begun, and its limit of time is near",
  over: "runs",
  look: lookBySql("runs", "select count(*) as seen from page join runs using (tenant, run_id) where ended_at is null", [
    `select r.tenant, r.run_id as id, 'is ' || r.status || ', has not begun, and is not in the queue' as what
     from page join runs as r using (tenant, run_id) left join run_queue as q on q.tenant = r.tenant and q.run_id = r.run_id
     where r.ended_at is null and r.begun_at is null and q.tenant is null`,
    `select r.tenant, r.run_id as id, 'is ' || r.status || coalesce(', and its limit of time passed at ' || r.due_at, ', and has no limit of time') as what
     from page join runs as r using (tenant, run_id) where r.ended_at is null and coalesce(r.due_at < now() - interval '1 hour', true)`,
    `select r.tenant, r.run_id as id, 'is ' || r.status || ', and is still in the queue' as what
     from page join runs as r using (tenant, run_id) join run_queue as q on q.tenant = r.tenant and q.run_id = r.run_id where r.ended_at is not null`,
  ]),
};
