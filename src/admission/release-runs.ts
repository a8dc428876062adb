import { setTimeout as sleep } from "node:timers/promises";
import type { Loop } from "../loops/loop.ts";
import { createWakeUp } from "../loops/wake-up.ts";
import type { Log } from "../telemetry/log.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";
import { admitClaimed } from "./admit-runs.ts";
import type { RunKey } from "./claim-store.ts";
import { giveBack, markStarted, postponeStart } from "./claim-store.ts";
import { noteOf } from "./reconcile-runs.ts";
import { noteFindings } from "./reconcile-store.ts";
import { claimRuns } from "./unbegun-cap-store.ts";
import type { RunToStart, Workflows } from "./workflows.ts";

const sweepMs = 1_000;
/** Starts in flight of one process; more gain nothing. */
const maxInFlight = 128;
const firstPauseMs = 250;
const longestPauseMs = 5_000;

export interface ReleaseRunsDeps {
  readonly inTransaction: InTransaction;
  readonly workflows: Pick<Workflows, "start" | "reachable">;
  /** Most runs, over all replicas, that are started and have not begun. */
  readonly maxUnbegun: number;
  /** A run whose start is refused for so long ends. */
  readonly refusedSeconds: number;
  /** These runs are ADMITTED. */
  readonly onAdmitted: (runs: readonly RunKey[]) => void;
  readonly now: () => Date;
  readonly log: Log;
}

/**
 * Takes runs from the queue and starts their workflows: claim → admit → start → mark.
 *
 *   claimed or admitted, then this process dies   the claim ends after 10 s, and the run is claimed anew; ADMITTED is told once
 *   started, then the mark is lost                claimed anew, and Temporal answers that the workflow is there
 *   Temporal away                                 claims are given back; this loop alone pauses
 *   one run refused                               its claim is given back, and it is tried again after 10 s; refused for too long, the api is asked to end it
 */
export function createReleaseRuns(deps: ReleaseRunsDeps): Loop {
  const wakeUp = createWakeUp();
  const claim = async (atMost: number): Promise<RunToStart[]> => {
    const { inTransaction, maxUnbegun } = deps;
    const claimed = await inTransaction((transaction) => claimRuns(transaction, { maxUnbegun, atMost }));
    if (claimed.length === 0) return [];
    const { toStart, admitted } = await inTransaction((transaction) => admitClaimed(transaction, claimed, deps.now()));
    deps.onAdmitted(admitted);
    return toStart;
  };
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
          const free = maxInFlight - starts.inFlight();
          const claimed = free === 0 ? [] : await claim(free);
          starts.begin(claimed, claimed.length === free);
          pauseMs = firstPauseMs;
          await wakeUp.wait(sweepMs, signal);
        } catch (error) {
          deps.log.warn({ err: error }, "runs can't be claimed; trying on");
          await pause();
        }
      }
      await starts.settled();
    },
  };
}

/** Starts in flight, and the marks of those that are done, which are written together. */
function createStarts(deps: ReleaseRunsDeps, onRoom: () => void) {
  const starting = new Set<Promise<void>>();
  let isAway = false;
  let mayBeMore = false;
  let done: { run: RunKey; isStarted: boolean }[] = [];
  let writing: Promise<void> | undefined;

  const write = async (): Promise<void> => {
    while (done.length > 0) {
      const [started = [], unknown = []] = [true, false].map((wanted) =>
        done.filter(({ isStarted }) => isStarted === wanted).map(({ run }) => run),
      );
      done = [];
      try {
        await deps.inTransaction((transaction) =>
          Promise.all([
            ...(started.length > 0 ? [markStarted(transaction, started)] : []),
            ...(unknown.length > 0 ? [giveBack(transaction, unknown)] : []),
          ]),
        );
      } catch (error) {
        deps.log.warn({ err: error }, "starts can't be marked; their claims run out and they are asked for again");
      }
    }
    writing = undefined;
  };

  const noteRefusal = async (run: RunToStart, cause: unknown): Promise<void> => {
    const { tenant, runId } = run;
    deps.log.error({ err: cause, tenant, runId }, "Temporal refuses to start this run; trying again in 10 s");
    const note = noteOf(run, "start_refused", shownText(messageOf(cause), longestShownReason), deps.refusedSeconds);
    try {
      await deps.inTransaction((transaction) =>
        Promise.all([noteFindings(transaction, [note]), postponeStart(transaction, run)]),
      );
    } catch (error) {
      deps.log.warn({ err: error }, "a refused start can't be noted; it is tried again when its claim has run out");
    }
  };

  const start = async (run: RunToStart): Promise<void> => {
    const answer = await deps.workflows.start(run);
    if (answer.state === "refused") return noteRefusal(run, answer.cause);
    if (answer.state === "away") {
      if (!isAway) deps.log.warn({ err: answer.cause }, "Temporal does not answer; releasing pauses");
      isAway = true;
    }
    done.push({ run, isStarted: answer.state === "started" });
    writing ??= write();
  };

  return {
    inFlight: () => starting.size,
    isTemporalAway: () => isAway,
    temporalIsBack() {
      isAway = false;
      deps.log.info("Temporal is back; releasing goes on");
    },
    /** @param mayLeaveSome - whether the claim was cut by the room there was, so that it pays to look again soon */
    begin(runs: readonly RunToStart[], mayLeaveSome: boolean) {
      mayBeMore = mayLeaveSome;
      for (const run of runs) {
        const flight = start(run).finally(() => {
          starting.delete(flight);
          if (mayBeMore && starting.size <= maxInFlight / 2) onRoom();
        });
        starting.add(flight);
      }
    },
    async settled() {
      await Promise.allSettled(starting);
      await writing;
    },
  };
}

/** The innermost word on a refusal: the client wraps what the server said. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : messageOf(error.cause);
}
