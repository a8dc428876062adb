/** Below this share of one CPU a box does nothing. */
const busyShare = 0.02;

/** One look at a box. */
export interface Activity {
  /** Milliseconds of a clock that never goes back. */
  readonly at: number;
  /** CPU time that it used since its start. */
  readonly cpuMs: number;
  /** When it last said something. */
  readonly saidAt: number;
}

/**
 * Measures for how long a box has stalled: it neither said anything, on its streams or its channel, nor used the CPU. A step whose box stalls for longer than `limits.idle_time` of its policy
 * fails with cause `stalled`.
 * @returns to be called at each look; says how long the box has done nothing, ms
 */
export function createStallMeter(startedAt: number): (now: Activity) => number {
  let activeAt = startedAt;
  let last: Pick<Activity, "at" | "cpuMs"> = { at: startedAt, cpuMs: 0 };
  return ({ at, cpuMs, saidAt }) => {
    if (cpuMs - last.cpuMs >= (at - last.at) * busyShare) activeAt = at;
    activeAt = Math.max(activeAt, saidAt);
    last = { at, cpuMs };
    return at - activeAt;
  };
}
