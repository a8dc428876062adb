import type { QueueLimitJson } from "../gen/workflows_runtime/v1/queue_limit_pb.ts";
import { partsOfQueueKey } from "../rules/queue-keys.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { Choice, Lane } from "./choose-lanes.ts";
import { chooseLanes, countOf } from "./choose-lanes.ts";
import type { RunKey } from "./claim-store.ts";
import { holdKeyOf } from "./queue-hold-store.ts";
import type { FreedKey, Hold, LaneRow, LanesToChoose } from "./queue-lane-store.ts";
import { bringBackMore, foldChanges, mostLanesOf, mostOfKey, readLanes, takeRuns } from "./queue-lane-store.ts";
import { lockRoom } from "./unbegun-cap-store.ts";

/** How long a claim lasts, in database time. A call that starts a workflow has half of it. */
const claimSeconds = 10;

/**
 * Claims waiting runs, as many as there are free places. All claims of all replicas take one lock, so that each sees what the one before took.
 *
 *   changes  what began or ceased to wait, and places that were taken and freed, are added to lanes and counts
 *   lanes    about twice as many as there is room for are read, those with the next turns, and the lanes that a freed place brings back: a long queue and full limits cost nothing
 *   choice   whose turn it is
 *   claim    the oldest runs of the chosen lanes, after claims that ran out, which have their places
 *
 * A run holds a place among all while it is claimed, and from the start of its workflow until BeginRun: all replicas together hold at most `maxUnbegun`.
 * The commit does not wait for the disk: a crash of Postgres loses claims only, and they are made again.
 */
export async function claimRuns(
  transaction: Transaction,
  limits: {
    readonly maxUnbegun: number;
    readonly atMost: number;
    readonly weightOf: (tenant: string) => number;
  },
): Promise<RunKey[]> {
  let room = Math.min(await lockRoom(transaction, limits.maxUnbegun), limits.atMost);
  const claimed: RunKey[] = [];
  let hidden: readonly FreedKey[] = [];
  while (room > 0) {
    const freed = [...(await foldChanges(transaction)), ...hidden];
    const found = await readLanes(transaction, freed, room);
    const lanes = lanesOf(found);
    const choice = chooseLanes(lanes, {
      room: room - found.again.length,
      taken: new Map(found.counts.map(({ tenant, key, taken }) => [countOf(tenant, key), taken])),
      turns: found.turns,
      weightOf: limits.weightOf,
    });
    const taken = await take(transaction, found.again, choice);
    claimed.push(...taken);
    room -= taken.length;
    hidden = keysWithMore(freed, lanes);
    // lanes that are blocked now may have hidden others that can go on
    const mayBeMore = lanes.length >= mostLanesOf(room) || hidden.length > 0;
    if (!mayBeMore || taken.length + choice.left.length === 0) break;
  }
  if (hidden.length > 0) await bringBackMore(transaction, hidden);
  return claimed;
}

/** @returns what was claimed, in the order of the turns */
async function take(
  transaction: Transaction,
  again: readonly RunKey[],
  { picks, left, turns }: Choice,
): Promise<RunKey[]> {
  if (again.length === 0 && picks.length === 0 && left.length === 0) return [];
  const places = new Map<string, { readonly lane: Lane; readonly turns: number[] }>();
  for (const [turn, lane] of picks.entries()) {
    const place = places.get(countOf(lane.tenant, lane.lane)) ?? { lane, turns: [] };
    place.turns.push(turn);
    places.set(countOf(lane.tenant, lane.lane), place);
  }
  const claimed = await takeRuns(transaction, {
    lanes: [...places.values()].map(({ lane, turns: { length } }) => ({
      tenant: lane.tenant,
      lane: lane.lane,
      count: length,
    })),
    again,
    left: left.map(({ lane: { tenant, lane }, ...state }) => ({ tenant, lane, ...state })),
    turns,
    claimSeconds,
  });
  const first = new Set(again.map(({ runId }) => runId));
  return claimed
    .map((run) => ({
      run,
      turn: first.has(run.runId) ? -1 : (places.get(countOf(run.tenant, run.lane))?.turns.shift() ?? -1),
    }))
    .sort((a, b) => a.turn - b.turn)
    .map(({ run: { tenant, runId } }) => ({ tenant, runId }));
}

/** @returns the lanes, each with the numbers that its rule has now, and the hold that is on it */
function lanesOf({ lanes, rules, holds }: LanesToChoose): Lane[] {
  const rulesById = new Map(rules.map((rule) => [countOf(rule.tenant, rule.ruleId), rule]));
  return lanes.map((lane) => {
    const rule = rulesById.get(countOf(lane.tenant, lane.ruleId ?? ""));
    const limits = rule?.limits ?? [];
    const hold = holds.find((each) => isHeldBy(lane, each));
    return {
      ...lane,
      heldBy: hold === undefined ? null : holdKeyOf(hold),
      weight: rule?.fairness?.weight || 1,
      limits: lane.keys.flatMap((key) => {
        const most = limitOf(limits, key)?.maxConcurrentRuns;
        return most === undefined ? [] : [{ key, most }];
      }),
    };
  });
}

function isHeldBy(lane: LaneRow, { tenant, org, scope, value }: Hold): boolean {
  if (lane.tenant !== tenant || lane.org !== org) return false;
  return scope === "all" || value === (scope === "rule" ? lane.ruleId : lane.repository);
}

function limitOf(limits: readonly QueueLimitJson[], key: string): QueueLimitJson | undefined {
  const { id, scope } = partsOfQueueKey(key);
  return limits.find((limit) => limit.id === id && limit.scope === scope);
}

/** @returns the freed keys that may block more lanes than one look brings back */
function keysWithMore(freed: readonly FreedKey[], lanes: readonly Lane[]): FreedKey[] {
  return freed.filter(
    ({ tenant, key }) => lanes.filter((lane) => lane.tenant === tenant && lane.blockedBy === key).length >= mostOfKey,
  );
}
