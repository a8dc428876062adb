/**
 * Turns whether a part moves at the moment into readiness: not ready before it has moved once, and once it has stood still for longer than the bound; ready as soon as it moves again.
 * @param boundMs - a short pause, such as the restart of a dependency, is none of a probe's business
 * @returns takes true, or why the part does not move; answers true, or why it is not ready
 */
export function createPatience(boundMs: number, nowMs: () => number): (moves: true | string) => true | string {
  let stoodSince = Number.NEGATIVE_INFINITY;
  return (moves) => {
    if (moves === true) {
      stoodSince = Number.POSITIVE_INFINITY;
      return true;
    }
    if (stoodSince === Number.POSITIVE_INFINITY) stoodSince = nowMs();
    const forMs = nowMs() - stoodSince;
    if (forMs < boundMs) return true;
    return Number.isFinite(forMs) ? `it has stood still for ${Math.round(forMs / 1_000)} s: ${moves}` : moves;
  };
}
