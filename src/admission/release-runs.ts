import type { Loop } from "../loops/loop.ts";
import { createLoop } from "../loops/loop.ts";
import { findUnbegun } from "./admit-store.ts";
import { claimRuns } from "./claim-runs.ts";
import type { StartsDeps } from "./start-claimed.ts";
import { createStarts } from "./start-claimed.ts";
import type { Workflows } from "./workflows.ts";

const sweepMs = 1_000;

export interface ReleaseRunsDeps extends StartsDeps {
  readonly workflows: Pick<Workflows, "start" | "reachable">;
  /** Most places: runs of all replicas that are claimed, or started and not begun. */
  readonly maxUnbegun: number;
  /** Starts of a tenant for each start of one with weight 1. */
  readonly weightOf: (tenant: string) => number;
}

/**
 * Takes runs from the queue and starts their workflows: claim → start → admit and mark.
 *
 *   claimed, then this process dies    the claim ends after 10 s, and the run is claimed again
 *   started, then the mark is lost     claimed again, and Temporal answers that the workflow exists; if that begins first, BeginRun admits the run
 *   Temporal away                      claims are given back; only this loop pauses
 *   one run refused                    its claim is given back, and it is tried again after pauses that grow to 40 s; after too long the api is asked to end it
 */
export function createReleaseRuns(deps: ReleaseRunsDeps): Loop {
  const starts = createStarts(deps, () => loop.wake());
  const loop = createLoop({
    sweepMs,
    round: async () => {
      if (starts.isTemporalAway()) {
        if (!(await deps.workflows.reachable())) throw new Error("Temporal does not answer");
        starts.temporalIsBack();
      }
      const atMost = starts.room();
      if (atMost > 0)
        await deps.inTransaction(async (transaction) => {
          const claimed = await claimRuns(transaction, {
            maxUnbegun: deps.maxUnbegun,
            atMost,
            weightOf: deps.weightOf,
          });
          const unbegun = claimed.length === 0 ? [] : await findUnbegun(transaction, claimed);
          starts.begin(unbegun, claimed.length === atMost); // before the claim commits: if that fails, the runs are claimed again
        });
      return false;
    },
    onError: (error) => {
      if (!starts.isTemporalAway()) deps.log.warn({ err: error }, "runs can't be claimed; trying again");
    },
  });
  return {
    wake: loop.wake,
    standing: loop.standing,
    run: async (signal) => {
      await loop.run(signal);
      await starts.settled();
    },
  };
}
