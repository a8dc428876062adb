import type { Loop } from "../loops/loop.ts";
import { createLoop } from "../loops/loop.ts";
import type { Log } from "../telemetry/log.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import type { DueCommand } from "./command-store.ts";
import { claimCommands, markDelivered, postpone } from "./command-store.ts";
import { noteOf } from "./reconcile-runs.ts";
import type { Note } from "./reconcile-store.ts";
import { noteFindings } from "./reconcile-store.ts";
import type { Workflows } from "./workflows.ts";

const sweepMs = 1_000;
const batchSize = 100;
const longestWaitSeconds = 30;

export interface PumpCommandsDeps {
  readonly inTransaction: InTransaction;
  readonly workflows: Pick<Workflows, "ring">;
  readonly log: Log;
}

/**
 * Rings the doorbell of runs for which a command was written. The wish itself is in the run's row, and every answer to its worker carries it; the bell saves time.
 *
 *   not begun   nothing to ring: the api is asked to end the run, where no execution can. Should one begin meanwhile, BeginRun's answer is the wish
 *   begun       rung: the workflow asks what is wished · absent: it has closed, or Temporal lost it, and the api is asked to end the run
 *   ended       nothing to ring
 *   away        due again later, by attempt: 1, 2, 4 … 30 s
 *
 * In all but the last case the command counts as delivered.
 */
export function createPumpCommands(deps: PumpCommandsDeps): Loop {
  /** @returns whether it is delivered, and what the api is to know */
  const ring = async (command: DueCommand): Promise<{ isDone: boolean; notes: Note[] }> => {
    if (command.hasEnded) return { isDone: true, notes: [] };
    if (!command.hasBegun) return { isDone: true, notes: [noteOf(command, "cancel_wished", "", 0)] };
    const answer = await deps.workflows.ring(command);
    if (answer.state === "away") deps.log.warn({ err: answer.cause }, "a command can't be rung; trying again later");
    const notes = answer.state === "absent" ? [noteOf(command, "absent", "", 0)] : [];
    return { isDone: answer.state !== "away", notes };
  };

  const pump = async (): Promise<boolean> => {
    const due = await deps.inTransaction((transaction) => claimCommands(transaction, batchSize));
    if (due.length === 0) return false;
    const rung = await Promise.all(due.map(async (command) => ({ command, ...(await ring(command)) })));
    const done = rung.filter(({ isDone }) => isDone).map(({ command }) => command);
    const late = Map.groupBy(
      rung.filter(({ isDone }) => !isDone).map(({ command }) => command),
      ({ attempts }) => Math.min(2 ** (attempts - 1), longestWaitSeconds),
    );
    await deps.inTransaction((transaction) =>
      Promise.all([
        noteFindings(
          transaction,
          rung.flatMap(({ notes }) => notes),
        ),
        ...(done.length > 0 ? [markDelivered(transaction, done)] : []),
        ...[...late].map(([seconds, commands]) => postpone(transaction, commands, seconds)),
      ]),
    );
    return due.length === batchSize;
  };

  return createLoop({
    sweepMs,
    round: pump,
    onError: (error) => deps.log.warn({ err: error }, "commands can't be read; trying on"),
  });
}
