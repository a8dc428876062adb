/** Runs that wait and are treated alike, oldest first. */
export interface Lane {
  readonly tenant: string;
  readonly lane: string;
  /** 1 (first) to 5 (last). */
  readonly priority: number;
  /** Lanes of a tenant that share it take turns as one. */
  readonly fairnessKey: string;
  /** Starts of the fairness key for each start of one with weight 1. */
  readonly weight: number;
  readonly waiting: number;
  /** Seconds since the oldest of them was accepted. */
  readonly waitedSeconds: number;
  /** What its runs count under, as limit/scope/value. */
  readonly keys: readonly string[];
  /** Those keys whose limit the rule has now, with its number. */
  readonly limits: readonly { readonly key: string; readonly most: number }[];
  /** The key of a hold that keeps its runs from starting. */
  readonly heldBy: string | null;
  /** As it was left by the look before; null: it may go on. */
  readonly blockedBy: string | null;
  /** The turns of its tenant and its fairness key as it was told them last: never later than they are. */
  readonly turn: number;
  readonly ownTurn: number;
}

/** What was given before, in virtual time: one start is 1 divided by the weight. */
export interface Turn {
  readonly tenant: string;
  /** Empty: the tenant among tenants. `=KEY`: a fairness key within the tenant. */
  readonly flow: string;
  /** When the flow may have its next start. */
  turn: number;
  /** The last start within. Who was idle begins from here, so that idleness saves nothing up. The flow of all tenants has tenant and flow empty. */
  clock: number;
}

export interface Choice {
  /** Lanes in the order of their turns; one that has several turns is there as often. */
  readonly picks: readonly Lane[];
  /** Lanes that are left otherwise than they were found. */
  readonly left: readonly {
    readonly lane: Lane;
    readonly blockedBy: string | null;
    readonly turn: number;
    readonly ownTurn: number;
  }[];
  /** All that moved. */
  readonly turns: readonly Turn[];
}

/** A run that has waited for so long counts as one priority higher. */
export const ageingSeconds = 300;

/**
 * Chooses whose runs start next, one after another:
 *
 *   1. priority, raised by one for every 5 minutes of waiting, so that nothing waits for ever
 *   2. the tenant that had its last start the longest ago in virtual time (start-time fair queuing, Goyal, Vin and Cheng 1996)
 *   3. within the tenant, the fairness key by the same measure
 *   4. age, as well as it is known without reading every run
 *
 * A run needs a place under each of its limits and takes all or none; a lane without one, or with a hold on it, is left blocked by that key, and the next lane has the turn.
 */
export function chooseLanes(
  lanes: readonly Lane[],
  known: {
    readonly room: number;
    readonly taken: ReadonlyMap<string, number>;
    readonly turns: readonly Turn[];
    /** Starts of a tenant for each start of one with weight 1. */
    readonly weightOf: (tenant: string) => number;
  },
): Choice {
  const taken = new Map(known.taken);
  const turns = new Map(known.turns.map((turn) => [countOf(turn.tenant, turn.flow), { ...turn }]));
  const moved = new Set<Turn>();
  const turnOf = (tenant: string, flow: string): Turn => {
    const key = countOf(tenant, flow);
    const turn = turns.get(key) ?? { tenant, flow, turn: 0, clock: 0 };
    turns.set(key, turn);
    return turn;
  };
  const all = turnOf("", "");
  const blockerOf = ({ tenant, heldBy, limits }: Lane): string | null =>
    heldBy ?? limits.find(({ key, most }) => (taken.get(countOf(tenant, key)) ?? 0) >= most)?.key ?? null;

  const states = lanes.map((lane) => ({
    lane,
    waiting: lane.waiting,
    waitedSeconds: lane.waitedSeconds,
    priority: Math.max(1, lane.priority - Math.floor(lane.waitedSeconds / ageingSeconds)),
    tenant: turnOf(lane.tenant, ""),
    own: turnOf(lane.tenant, `=${lane.fairnessKey}`),
    blockedBy: blockerOf(lane),
  }));
  type State = (typeof states)[number];
  const tenantStart = ({ tenant }: State) => Math.max(tenant.turn, all.clock);
  const ownStart = ({ own, tenant }: State) => Math.max(own.turn, tenant.clock);
  const isBefore = (one: State, other: State): boolean =>
    (one.priority - other.priority ||
      tenantStart(one) - tenantStart(other) ||
      (one.tenant === other.tenant ? ownStart(one) - ownStart(other) : 0) ||
      other.waitedSeconds - one.waitedSeconds) < 0;

  const picks: Lane[] = [];
  let open = states.filter(({ blockedBy, waiting }) => blockedBy === null && waiting > 0);
  while (picks.length < known.room && open.length > 0) {
    const next = open.reduce((best, state) => (isBefore(state, best) ? state : best));
    const blockedBy = blockerOf(next.lane);
    if (blockedBy !== null) {
      next.blockedBy = blockedBy;
      open = open.filter((state) => state !== next);
      continue;
    }
    picks.push(next.lane);
    for (const key of next.lane.keys) {
      const count = countOf(next.lane.tenant, key);
      taken.set(count, (taken.get(count) ?? 0) + 1);
    }
    const [start, ownBegin] = [tenantStart(next), ownStart(next)];
    all.clock = start;
    next.tenant.turn = start + 1 / known.weightOf(next.lane.tenant);
    next.tenant.clock = ownBegin;
    next.own.turn = ownBegin + 1 / next.lane.weight;
    for (const turn of [all, next.tenant, next.own]) moved.add(turn);
    next.waitedSeconds -= next.waitedSeconds / (next.waiting + 1); // as if they had come evenly
    next.waiting -= 1;
    if (next.waiting === 0) open = open.filter((state) => state !== next);
  }
  const left = states.flatMap((state) => {
    const { lane, waiting } = state;
    const blockedBy = state.blockedBy ?? (waiting > 0 ? blockerOf(lane) : null);
    const [turn, ownTurn] = [tenantStart(state), ownStart(state)];
    const isAsFound =
      blockedBy === lane.blockedBy && (blockedBy !== null || (turn === lane.turn && ownTurn === lane.ownTurn));
    return isAsFound ? [] : [{ lane, blockedBy, turn, ownTurn }];
  });
  return { picks, left, turns: [...moved] };
}

/** @returns the key of a number of one tenant */
export function countOf(tenant: string, key: string): string {
  return `${tenant}/${key}`;
}
