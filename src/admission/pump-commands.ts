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
 * Signals the workflows of runs for which a command was written. The run's row holds the desired state, and every answer to a worker carries it; the signal only makes it faster.
 *
 *   not begun   no signal: the api is asked to end the run. If an execution begins meanwhile, BeginRun's answer carries the desired state
 *   begun       rung: the workflow asks for the desired state · absent: the workflow is closed or lost, and the api is asked to end the run
 *   ended       no signal
 *   away        Temporal does not answer; due again after 1, 2, 4 … 30 s, by attempt
 *
 * In all cases but the last the command counts as delivered.
 */
export function createPumpCommands(deps: PumpCommandsDeps): Loop {
  /** @returns whether the command is delivered, and findings for the api */
  const ring = async (command: DueCommand): Promise<{ isDone: boolean; notes: Note[] }> => {
    if (command.hasEnded) return { isDone: true, notes: [] };
    if (!command.hasBegun) return { isDone: true, notes: [noteOf(command, "cancel_wished", "", 0)] };
    const answer = await deps.workflows.ring(command);
    if (answer.state === "away")
      deps.log.warn({ err: answer.cause }, "Temporal does not take a signal; trying again later");
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
