import { setTimeout as sleep } from "node:timers/promises";
import type { Loop } from "../loops/loop.ts";
import { createWakeUp } from "../loops/wake-up.ts";
import type { StartsDeps } from "./start-claimed.ts";
import { createStarts } from "./start-claimed.ts";
import { claimRuns } from "./unbegun-cap-store.ts";
import type { Workflows } from "./workflows.ts";

const sweepMs = 1_000;
const firstPauseMs = 250;
const longestPauseMs = 5_000;

export interface ReleaseRunsDeps extends StartsDeps {
  readonly workflows: Pick<Workflows, "start" | "reachable">;
  /** Most places: runs of all replicas that are claimed, or started and not begun. */
  readonly maxUnbegun: number;
}

/**
 * Takes runs from the queue and starts their workflows: claim → admit → start → mark.
 *
 *   claimed or admitted, then this process dies   the claim ends after 10 s, and the run is claimed again; its event ADMITTED is written once
 *   started, then the mark is lost                claimed again, and Temporal answers that the workflow exists
 *   Temporal away                                 claims are given back; only this loop pauses
 *   one run refused                               its claim is given back, and it is tried again after 10 s; after too long the api is asked to end it
 */
export function createReleaseRuns(deps: ReleaseRunsDeps): Loop {
  const wakeUp = createWakeUp();
  const claim = (atMost: number) =>
    deps.inTransaction((transaction) => claimRuns(transaction, { maxUnbegun: deps.maxUnbegun, atMost }));
  return {
    wake: () => wakeUp.wake(),
    run: async (signal) => {
      const starts = createStarts(deps, () => wakeUp.wake());
      let pauseMs = firstPauseMs;
      const pause = async () => {
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
      };
      while (!signal.aborted) {
        try {
          if (starts.isTemporalAway()) {
            await pause();
            if (await deps.workflows.reachable()) starts.temporalIsBack();
            continue;
          }
          const free = starts.room();
          const claimed = free === 0 ? [] : await claim(free);
          starts.begin(claimed, claimed.length === free);
          pauseMs = firstPauseMs;
          await wakeUp.wait(sweepMs, signal);
        } catch (error) {
          deps.log.warn({ err: error }, "runs can't be claimed; trying again");
          await pause();
        }
      }
      await starts.settled();
    },
  };
}
