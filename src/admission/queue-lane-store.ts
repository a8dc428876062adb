import type { QueueFairnessJson } from "../gen/workflows_runtime/v1/queue_fairness_pb.ts";
import type { QueueLimitJson } from "../gen/workflows_runtime/v1/queue_limit_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { Turn } from "./choose-lanes.ts";
import { ageingSeconds } from "./choose-lanes.ts";
import type { RunKey } from "./claim-store.ts";

/** A lane as stored. */
export interface LaneRow {
  readonly tenant: string;
  readonly lane: string;
  readonly priority: number;
  readonly org: string;
  readonly ruleId: string | null;
  readonly repository: string | null;
  readonly fairnessKey: string;
  readonly keys: readonly string[];
  readonly waiting: number;
  readonly waitedSeconds: number;
  readonly blockedBy: string | null;
  readonly turn: number;
  readonly ownTurn: number;
}

/** What a choice among lanes needs to know. */
export interface LanesToChoose {
  readonly lanes: readonly LaneRow[];
  readonly rules: readonly {
    readonly tenant: string;
    readonly ruleId: string;
    readonly limits: readonly QueueLimitJson[] | null;
    readonly fairness: QueueFairnessJson | null;
  }[];
  readonly counts: readonly CountRow[];
  /** What people keep from starting. */
  readonly holds: readonly Hold[];
  readonly turns: readonly Turn[];
  /** Claims that ran out: these runs have their places. */
  readonly again: readonly RunKey[];
}

interface CountRow {
  readonly tenant: string;
  readonly key: string;
  readonly taken: number;
}

/** Runs of an org that are kept from starting. */
export interface Hold {
  readonly tenant: string;
  readonly org: string;
  readonly scope: "rule" | "repository" | "all";
  readonly value: string;
}

/** A key under which a place was freed, or a hold released. */
export type FreedKey = Pick<CountRow, "tenant" | "key">;

/** Most lanes that are read by their turns. */
export const mostLanesOf = (room: number): number => 2 * room + 16;
/** Most lanes that one key brings back at a look. */
export const mostOfKey = 50;

/** Adds what changed since the last claim to lanes and counts. @returns the keys that bring lanes back */
export async function foldChanges(transaction: Transaction): Promise<FreedKey[]> {
  const { rows } = await transaction.query<FreedKey>(
    `with changes as (
       delete from queue_lane_changes returning *
     ), sums as (
       select tenant, lane, org, priority, rule_id, repository, fairness_key, keys, sum(change) as change from changes group by 1, 2, 3, 4, 5, 6, 7, 8
     ), lanes as (
       insert into queue_lanes as l (tenant, lane, org, priority, rule_id, repository, fairness_key, keys, waiting, oldest_at)
       select s.*, (
         select q.queued_at from run_queue as q
         where q.tenant = s.tenant and q.lane = s.lane and q.started_at is null and q.claimed_until is null and q.not_before = '-infinity'
         order by q.queued_at, q.run_id limit 1
       ) from sums as s
       on conflict (tenant, lane) do update set waiting = l.waiting + excluded.waiting, oldest_at = excluded.oldest_at
     ), moved as (
       delete from queue_place_changes returning *
     ), moves as (
       select tenant, key, sum(change) as change, bool_or(change <= 0) as frees from moved group by 1, 2
     ), counts as (
       insert into queue_counts as c (tenant, key, taken) select tenant, key, change from moves where change <> 0
       on conflict (tenant, key) do update set taken = c.taken + excluded.taken
     )
     select tenant, key from moves where frees`,
  );
  return rows;
}

/**
 * Removes empty lanes and counts, and reads the lanes that have the next turns, with all that decides which of them goes on.
 * @param freed - keys whose lanes are brought back
 * @param room - how many runs may be claimed: about twice as many lanes are read, by their turns and by their age
 */
export async function readLanes(
  transaction: Transaction,
  freed: readonly FreedKey[],
  room: number,
): Promise<LanesToChoose> {
  const { rows } = await transaction.query<LanesToChoose>(
    `with empty_lanes as (
       delete from queue_lanes where waiting = 0
     ), empty_counts as (
       delete from queue_counts where taken = 0
     ), freed as (
       select * from unnest($1::text[], $2::text[]) as f (tenant, key)
     ), found as (
       (select l.* from queue_lanes as l where l.look_at = '-infinity' and l.waiting > 0 order by l.priority, l.turn, l.own_turn, l.oldest_at limit $4)
       union
       (select l.* from queue_lanes as l where l.look_at = '-infinity' and l.waiting > 0 and l.oldest_at < clock_timestamp() - make_interval(secs => ${ageingSeconds})
         order by l.oldest_at limit $4)
       union
       select l.* from freed as f, lateral (
         select * from queue_lanes as l where l.tenant = f.tenant and l.blocked_by = f.key and l.waiting > 0 order by l.priority, l.oldest_at limit ${mostOfKey}
       ) as l
       union
       select l.* from freed as f join queue_lanes as l on l.tenant = f.tenant where f.key = '*' and l.blocked_by is not null and l.waiting > 0
     )
     select
       coalesce((select jsonb_agg(jsonb_build_object('tenant', tenant, 'lane', lane, 'org', org, 'priority', priority, 'ruleId', rule_id, 'repository', repository, 'fairnessKey', fairness_key,
         'keys', keys, 'waiting', waiting, 'waitedSeconds', extract(epoch from clock_timestamp() - oldest_at), 'blockedBy', blocked_by, 'turn', turn, 'ownTurn', own_turn)) from found), '[]') as lanes,
       coalesce((select jsonb_agg(jsonb_build_object('tenant', r.tenant, 'ruleId', r.rule_id, 'limits', r.rule->'limits', 'fairness', r.rule->'fairness'))
         from (select distinct tenant, rule_id from found where rule_id is not null) as f join workflow_rules as r on r.tenant = f.tenant and r.rule_id = f.rule_id), '[]') as rules,
       coalesce((select jsonb_agg(jsonb_build_object('tenant', c.tenant, 'key', c.key, 'taken', c.taken))
         from (select distinct tenant, unnest(keys) as key from found) as f join queue_counts as c on c.tenant = f.tenant and c.key = f.key), '[]') as counts,
       coalesce((select jsonb_agg(jsonb_build_object('tenant', h.tenant, 'org', h.org, 'scope', h.scope, 'value', h.value))
         from (select distinct tenant from found) as f join queue_holds as h on h.tenant = f.tenant), '[]') as holds,
       coalesce((select jsonb_agg(jsonb_build_object('tenant', t.tenant, 'flow', t.flow, 'turn', t.turn, 'clock', t.clock))
         from (select distinct tenant, flow from found, unnest(array['', '=' || fairness_key]) as flow union values ('', '')) as f
           join queue_turns as t on t.tenant = f.tenant and t.flow = f.flow), '[]') as turns,
       coalesce((select jsonb_agg(jsonb_build_object('tenant', tenant, 'runId', run_id)) from (
         select tenant, run_id from run_queue where started_at is null and claimed_until <= clock_timestamp() order by claimed_until limit $3
       ) as a), '[]') as again`,
    [freed.map(({ tenant }) => tenant), freed.map(({ key }) => key), room, mostLanesOf(room)],
  );
  if (rows[0] === undefined) throw new Error("a select of one row without a row");
  return rows[0];
}

/**
 * Claims the oldest runs of lanes, with their places, and keeps turns and lanes as the choice leaves them.
 * @param taken.lanes - how many runs of which lane
 * @returns what was claimed; runs that somebody else has locked are left for the next look
 */
export async function takeRuns(
  transaction: Transaction,
  taken: {
    readonly lanes: readonly { readonly tenant: string; readonly lane: string; readonly count: number }[];
    readonly again: readonly RunKey[];
    readonly left: readonly Pick<LaneRow, "tenant" | "lane" | "blockedBy" | "turn" | "ownTurn">[];
    readonly turns: readonly Turn[];
    readonly claimSeconds: number;
  },
): Promise<(RunKey & { readonly lane: string })[]> {
  const { rows } = await transaction.query<RunKey & { readonly lane: string }>(
    `with wanted as (
       select * from jsonb_to_recordset($1) as w(tenant text, lane uuid, count int)
     ), due as (
       select q.tenant, q.run_id from wanted as w, lateral (
         select q.tenant, q.run_id from run_queue as q
         where q.tenant = w.tenant and q.lane = w.lane and q.started_at is null and q.claimed_until is null and q.not_before = '-infinity'
         order by q.queued_at, q.run_id limit w.count
         for update skip locked
       ) as q
     ), again as (
       select q.tenant, q.run_id from jsonb_to_recordset($2) as a(tenant text, "runId" uuid) join run_queue as q on q.tenant = a.tenant and q.run_id = a."runId"
       where q.started_at is null and q.claimed_until <= clock_timestamp()
       for update of q skip locked
     ), claimed as (
       update run_queue as q set claimed_until = clock_timestamp() + make_interval(secs => $5)
       from (table due union all table again) as d where q.tenant = d.tenant and q.run_id = d.run_id
       returning q.tenant, q.org, q.run_id, q.keys, q.lane, q.queued_at
     ), places as (
       insert into queue_places (tenant, org, run_id, key) select tenant, org, run_id, unnest(keys) from claimed where keys <> '{}' on conflict do nothing
     ), lanes as (
       update queue_lanes as l set blocked_by = n."blockedBy", look_at = case when n."blockedBy" is null then '-infinity' else 'infinity' end::timestamptz,
         turn = n.turn, own_turn = n."ownTurn"
       from jsonb_to_recordset($3) as n(tenant text, lane uuid, "blockedBy" text, turn float8, "ownTurn" float8) where l.tenant = n.tenant and l.lane = n.lane
     ), turns as (
       insert into queue_turns as t (tenant, flow, turn, clock) select tenant, flow, turn, clock from jsonb_to_recordset($4) as n(tenant text, flow text, turn float8, clock float8)
       on conflict (tenant, flow) do update set turn = excluded.turn, clock = excluded.clock
     )
     select tenant, run_id as "runId", lane from claimed order by queued_at, run_id`,
    [
      JSON.stringify(taken.lanes),
      JSON.stringify(taken.again),
      JSON.stringify(taken.left),
      JSON.stringify(taken.turns),
      taken.claimSeconds,
    ],
  );
  return rows;
}

/** Lets the next look bring back more of the lanes that these keys block. */
export async function bringBackMore(transaction: Transaction, keys: readonly FreedKey[]): Promise<void> {
  await transaction.query(
    "insert into queue_place_changes (tenant, key, change) select tenant, key, 0 from unnest($1::text[], $2::text[]) as k (tenant, key)",
    [keys.map(({ tenant }) => tenant), keys.map(({ key }) => key)],
  );
}
