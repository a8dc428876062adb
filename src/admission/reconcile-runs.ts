import type { Loop } from "../loops/loop.ts";
import { createLoop } from "../loops/loop.ts";
import type { ExaminedRun } from "../runs/unexamined-run-store.ts";
import { toldEndText } from "../seal/reconcile/told-end.ts";
import { releaseStuck, runHeldUp } from "../telemetry/events.ts";
import type { Log } from "../telemetry/log.ts";
import { runFoundWithoutProgress } from "../telemetry/metrics/run-metrics.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";
import type { Note } from "./reconcile-store.ts";
import { findOverdueRuns, forgetUnseen, noteFindings, takeSilentRuns } from "./reconcile-store.ts";
import { arePlacesStuck } from "./unbegun-cap-store.ts";
import type { LookAnswer, Workflows } from "./workflows.ts";

const sweepMs = 1_000;
/** Most runs that one sweep examines: one process asks Temporal at most 50 times a second, however many runs were lost. */
const batchSize = 50;

export interface ReconcileRunsDeps {
  readonly inTransaction: InTransaction;
  readonly workflows: Pick<Workflows, "look">;
  /** Temporal is asked about a run after this long without an event. A workflow that is missing twice, this far apart, is lost. The workflow has this long to report a time limit itself. */
  readonly afterSeconds: number;
  readonly maxUnbegun: number;
  readonly log: Log;
}

export interface ReconcileRuns extends Loop {
  /** Runs wait for a place, and all places are held by runs that do not begin. */
  isReleaseStuck(): boolean;
}

/**
 * Compares silent runs with Temporal and records findings. Only the api ends runs, so the api acts on them:
 *
 *   open, not begun       shown only: no worker takes it
 *   open, begun           shown only, as silent: it may work or wait
 *   closed                due at once: the workflow closed without ending the run
 *   not there             due when found a second time: it was deleted, or Temporal lost it
 *   Temporal away         no finding; asked again later
 *   time limit passed     due at once, whatever Temporal says: the workflow had time to report it
 */
export function createReconcileRuns(deps: ReconcileRunsDeps): ReconcileRuns {
  const { inTransaction, afterSeconds, log } = deps;
  let isStuck = false;

  const look = async (run: ExaminedRun): Promise<{ run: ExaminedRun; answer: LookAnswer }> => ({
    run,
    answer: await deps.workflows.look(run),
  });

  const examine = async (): Promise<void> => {
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
    const news = notes.length === 0 ? [] : await inTransaction((transaction) => noteFindings(transaction, notes));
    for (const note of news) {
      runFoundWithoutProgress(note.finding);
      if (note.finding !== "silent") runHeldUp(log, note);
    }
    const away = looked.find(({ answer }) => answer.state === "away");
    if (away?.answer.state === "away") throw away.answer.cause;
  };

  const watchPlaces = async (): Promise<void> => {
    const was = isStuck;
    isStuck = await inTransaction((transaction) => arePlacesStuck(transaction, deps.maxUnbegun, afterSeconds));
    if (isStuck && !was) releaseStuck(log, deps.maxUnbegun);
  };

  return {
    isReleaseStuck: () => isStuck,
    ...createLoop({
      sweepMs,
      round: async () => {
        await watchPlaces();
        await examine();
        return false;
      },
      onError: (error) => log.warn({ err: error }, "runs can't be compared with Temporal; trying again"),
    }),
  };
}

/** @returns a note; none when Temporal did not answer */
function noteOfAnswer(run: ExaminedRun, answer: LookAnswer, afterSeconds: number): Note[] {
  switch (answer.state) {
    case "away":
      return [];
    case "open":
      return [noteOf(run, run.hasBegun ? "silent" : "unbegun", "", null)];
    case "absent":
      return [noteOf(run, "absent", "", afterSeconds)];
    case "closed":
      if (answer.how === "completed")
        return [noteOf(run, answer.how, answer.end === undefined ? "" : toldEndText(answer.end), 0)];
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
