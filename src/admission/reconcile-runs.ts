import { setTimeout as sleep } from "node:timers/promises";
import { releaseStuck, runHeldUp } from "../telemetry/events.ts";
import type { Log } from "../telemetry/log.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";
import type { ExaminedRun, Note } from "./reconcile-store.ts";
import { findOverdueRuns, forgetUnseen, noteFindings, takeSilentRuns } from "./reconcile-store.ts";
import { arePlacesStuck } from "./unbegun-cap-store.ts";
import type { LookAnswer, Workflows } from "./workflows.ts";

const sweepMs = 1_000;
/** Most runs that are examined in a sweep: Temporal is asked 50 times a second by one process, whatever was lost. */
const batchSize = 50;
/** While Temporal does not answer. */
const pauseMs = 5_000;

export interface ReconcileRunsDeps {
  readonly inTransaction: InTransaction;
  readonly workflows: Pick<Workflows, "look">;
  /** A run of which nothing was heard for so long is asked after at Temporal; a workflow that is not there twice, so far apart, is lost; a limit of time is left to the workflow for so long. */
  readonly afterSeconds: number;
  readonly maxUnbegun: number;
  readonly log: Log;
}

/** A loop that asks after runs; it ends with the signal. */
export interface ReconcileRuns {
  run(signal: AbortSignal): Promise<void>;
  /** Runs wait, and every place of the release loop is held by one that does not begin. */
  isReleaseStuck(): boolean;
}

/**
 * Compares runs of which nothing is heard with Temporal, and notes what it finds. The api acts on it, since it alone ends runs:
 *
 *   open, not begun       shown: no worker takes it
 *   open, begun           shown as silent: it may work, or wait
 *   closed                acted on at once: an end that the workflow did not bring about, or could not tell
 *   not there             acted on when it is so again: it was deleted, or Temporal lost it
 *   Temporal away         nothing is known; asked again later
 *   limit of time passed  acted on, whatever Temporal says: its workflow had its time
 */
export function createReconcileRuns(deps: ReconcileRunsDeps): ReconcileRuns {
  const { inTransaction, afterSeconds, log } = deps;
  let isStuck = false;

  const look = async (run: ExaminedRun): Promise<{ run: ExaminedRun; answer: LookAnswer }> => ({
    run,
    answer: await deps.workflows.look(run),
  });

  /** @returns whether Temporal answered */
  const examine = async (): Promise<boolean> => {
    const silent = await inTransaction(async (transaction) => {
      await forgetUnseen(transaction, Math.max(60, 3 * afterSeconds));
      const overdue = await findOverdueRuns(transaction, afterSeconds, batchSize);
      await noteFindings(
        transaction,
        overdue.map((run) => noteOf(run, "limit_passed", "", 0)),
      );
      return takeSilentRuns(transaction, afterSeconds, batchSize);
    });
    const looked = await Promise.all(silent.map(look));
    const notes = looked.flatMap(({ run, answer }) => noteOfAnswer(run, answer, afterSeconds));
    const news = await inTransaction((transaction) => noteFindings(transaction, notes));
    for (const note of news) if (note.finding !== "silent") runHeldUp(log, note);
    const away = looked.find(({ answer }) => answer.state === "away");
    if (away?.answer.state === "away") log.warn({ err: away.answer.cause }, "Temporal can't be asked after runs");
    return away === undefined;
  };

  const watchPlaces = async (): Promise<void> => {
    const was = isStuck;
    isStuck = await inTransaction((transaction) => arePlacesStuck(transaction, deps.maxUnbegun, afterSeconds));
    if (isStuck && !was) releaseStuck(log, deps.maxUnbegun);
  };

  return {
    isReleaseStuck: () => isStuck,
    run: async (signal) => {
      while (!signal.aborted) {
        let waitMs = sweepMs;
        try {
          if (!(await examine())) waitMs = pauseMs;
          await watchPlaces();
        } catch (error) {
          log.warn({ err: error }, "runs can't be reconciled; trying on");
        }
        await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

/** @returns a note, or none when nothing is known */
function noteOfAnswer(run: ExaminedRun, answer: LookAnswer, afterSeconds: number): Note[] {
  switch (answer.state) {
    case "away":
      return [];
    case "open":
      return [noteOf(run, run.hasBegun ? "silent" : "unbegun", "", null)];
    case "absent":
      return [noteOf(run, "absent", "", afterSeconds)];
    case "closed":
      return [noteOf(run, answer.how, shownText(answer.reason, longestShownReason), 0)];
  }
}

/** @param actAfterSeconds - as in `Note` */
export function noteOf(
  { tenant, org, runId, generation }: Omit<ExaminedRun, "hasBegun">,
  finding: Note["finding"],
  detail: string,
  actAfterSeconds: number | null,
): Note {
  return { tenant, org, runId, generation, finding, detail, actAfterSeconds };
}
