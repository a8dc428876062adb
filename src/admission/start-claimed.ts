import type { Log } from "../telemetry/log.ts";
import { startAnswered } from "../telemetry/metrics/queue-metrics.ts";
import { startSpan } from "../telemetry/run-spans.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import { longestShownReason, shownText } from "../text/strangers-text.ts";
import { admitStarted } from "./admit-runs.ts";
import type { ClaimedRun } from "./admit-store.ts";
import type { RunKey } from "./claim-store.ts";
import { giveBack, markStarted, postponeStart } from "./claim-store.ts";
import { noteOf } from "./reconcile-runs.ts";
import { noteFindings } from "./reconcile-store.ts";
import type { RunToStart, Workflows } from "./workflows.ts";

/** Most runs of one process between claim and start; a higher number is not faster. */
const maxInFlight = 128;

export interface StartsDeps {
  readonly inTransaction: InTransaction;
  readonly workflows: Pick<Workflows, "start">;
  /** A run ends after its start was refused for this long. */
  readonly refusedSeconds: number;
  /** Called when runs became ADMITTED. */
  readonly onAdmitted: (runs: readonly RunKey[]) => void;
  readonly now: () => Date;
  readonly log: Log;
}

/**
 * Starts the workflows of claimed runs, many at once; those that are started become ADMITTED and are marked, as many as there are in one transaction.
 * @param onRoom - called when there is room to claim more
 */
export function createStarts(deps: StartsDeps, onRoom: () => void) {
  const inFlight = new Set<Promise<void>>();
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
        const admitted = await deps.inTransaction(async (transaction) => {
          const [moved] = await Promise.all([
            started.length > 0 ? admitStarted(transaction, started, deps.now()) : [],
            ...(started.length > 0 ? [markStarted(transaction, started)] : []),
            ...(unknown.length > 0 ? [giveBack(transaction, unknown)] : []),
          ]);
          return moved;
        });
        if (admitted.length > 0) deps.onAdmitted(admitted);
      } catch (error) {
        deps.log.warn(
          { err: error },
          "starts can't be marked; the runs are claimed again when their claims have run out",
        );
      }
    }
    writing = undefined;
  };

  const noteRefusal = async (run: RunToStart, cause: unknown): Promise<void> => {
    const { tenant, runId } = run;
    deps.log.error({ err: cause, tenant, runId }, "Temporal refuses to start this run; trying again after a pause");
    const note = noteOf(run, "start_refused", shownText(messageOf(cause), longestShownReason), deps.refusedSeconds);
    try {
      await deps.inTransaction((transaction) =>
        Promise.all([noteFindings(transaction, [note]), postponeStart(transaction, run)]),
      );
    } catch (error) {
      deps.log.warn(
        { err: error },
        "a refused start can't be recorded; the run is tried again when its claim has run out",
      );
    }
  };

  const start = async (run: ClaimedRun): Promise<void> => {
    const askedAt = deps.now();
    const answer = await startSpan(run, askedAt, () => deps.workflows.start(run));
    const answeredAt = deps.now().getTime();
    startAnswered(answer.state, answeredAt - askedAt.getTime(), answeredAt - run.createdAt.getTime());
    if (answer.state === "refused") return noteRefusal(run, answer.cause);
    if (answer.state === "away") {
      if (!isAway) deps.log.warn({ err: answer.cause }, "Temporal does not answer; starts pause");
      isAway = true;
    }
    done.push({ run, isStarted: answer.state === "started" });
    writing ??= write();
  };

  return {
    room: () => maxInFlight - inFlight.size,
    isTemporalAway: () => isAway,
    temporalIsBack() {
      isAway = false;
      deps.log.info("Temporal is back; starts go on");
    },
    /** @param mayLeaveSome - whether the claim filled all room, so more runs may be waiting */
    begin(claimed: readonly ClaimedRun[], mayLeaveSome: boolean) {
      mayBeMore = mayLeaveSome;
      if (claimed.length === 0) return;
      for (const run of claimed) {
        const flight = start(run).finally(() => {
          inFlight.delete(flight);
          if (mayBeMore && inFlight.size <= maxInFlight / 2) onRoom();
        });
        inFlight.add(flight);
      }
    },
    async settled() {
      await Promise.allSettled(inFlight);
      await writing;
    },
  };
}

/** @returns the server's own message: the client wraps it in errors of its own */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : messageOf(error.cause);
}
