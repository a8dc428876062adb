import type { Invariant } from "./invariant.ts";
import { lookBySql } from "./invariant.ts";

/** At most one effect per key at a receiver, and it stands only for a run that is COMPLETED. */
export const oneEffectPerKey: Invariant = {
  id: "I7",
  claim: "each hand-off has one key, and is confirmed for COMPLETED and cancelled for every other end",
  over: "runs",
  look: lookBySql(
    "runs",
    "select count(*) as seen from page join handoff_calls using (tenant, run_id) where phase = 'TRY'",
    [
      `select c.tenant, c.run_id as id, 'tries ' || c.rpc || ' at ' || c.receiver || ' under ' || count(*) || ' keys' as what
     from page join handoff_calls as c using (tenant, run_id) where c.phase = 'TRY' group by c.tenant, c.run_id, c.receiver, c.rpc having count(*) > 1`,
      `select c.tenant, c.run_id as id, 'has the call ' || c.phase || ' ' || c.rpc || ' without a try' as what
     from page join handoff_calls as c using (tenant, run_id)
     where c.phase <> 'TRY' and not exists (
       select from handoff_calls as t where t.tenant = c.tenant and t.idempotency_key = c.idempotency_key and t.phase = 'TRY' and (t.run_id, t.receiver, t.rpc) = (c.run_id, c.receiver, c.rpc))`,
      `select c.tenant, c.run_id as id, 'has confirmed and cancelled ' || c.rpc as what
     from page join handoff_calls as c using (tenant, run_id)
       join handoff_calls as o on o.tenant = c.tenant and o.idempotency_key = c.idempotency_key and o.phase = 'CANCEL'
     where c.phase = 'CONFIRM'`,
      // what the run itself handed over has its id in the key; an impediment has a key of its own and stands for every end
      `select c.tenant, c.run_id as id, 'is ' || r.status || ', and its ' || c.rpc || ' at ' || c.receiver || ' is neither confirmed nor cancelled as that end needs it' as what
     from page join runs as r using (tenant, run_id) join handoff_calls as c using (tenant, run_id)
     where r.ended_at is not null and c.phase = 'TRY' and c.state = 'ACKNOWLEDGED' and starts_with(c.idempotency_key, r.run_id::text) and not exists (
       select from handoff_calls as f where f.tenant = c.tenant and f.idempotency_key = c.idempotency_key
         and f.phase = case r.status when 'COMPLETED' then 'CONFIRM' else 'CANCEL' end)`,
    ],
  ),
};
