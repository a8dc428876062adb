import type { InTransaction } from "../tenancy/transaction.ts";
import { findKnownRuns, newestAcceptedAt } from "./catch-up-store.ts";
import type { ToldExecution, Workflows } from "./workflows.ts";

/** What was stored a little before the newest request may not have been when the backup was taken. */
const overlapMs = 5 * 60_000;
/** Executions that are compared at once. */
const batchSize = 200;

/** An execution of which Temporal knows more than Postgres. */
export interface UnknownExecution extends ToldExecution {
  /** The run's status in Postgres; `absent`: there is no such run. */
  readonly inPostgres: string;
}

export interface CatchUpReport {
  /** Requests are read again from here on; absent: all that are kept, since Postgres has none. */
  readonly from?: Date | undefined;
  readonly executions: number;
  readonly unknown: readonly UnknownExecution[];
}

export interface CatchUpDeps {
  readonly inTransaction: InTransaction;
  readonly workflows: Pick<Workflows, "list">;
  /** Lets the dispatchers read requests of all buses from a moment on; undefined: all that are kept. */
  readonly seek: (from: Date | undefined) => Promise<void>;
}

/**
 * After Postgres was restored to an earlier time, and before any process starts: lets requests be read again from 5 min before the newest one that Postgres accepted, and lists the executions
 * that Temporal began or closed since then and of which Postgres does not know the end.
 * @throws what `seek` throws; nothing is listed then
 */
export async function catchUp({ inTransaction, workflows, seek }: CatchUpDeps): Promise<CatchUpReport> {
  const newest = await inTransaction(newestAcceptedAt);
  const from = newest && new Date(newest.getTime() - overlapMs);
  await seek(from);
  const unknown: UnknownExecution[] = [];
  let executions = 0;
  const compare = async (told: readonly ToldExecution[]) => {
    const known = await inTransaction((transaction) => findKnownRuns(transaction, told));
    for (const each of told) {
      const run = known.get(each.runId);
      const isBehind =
        run === undefined || (!run.hasEnded && each.state === "closed" && run.generation <= each.generation);
      if (isBehind) unknown.push({ ...each, inPostgres: run?.status ?? "absent" });
    }
    executions += told.length;
  };
  let batch: ToldExecution[] = [];
  for await (const each of workflows.list(from)) {
    batch.push(each);
    if (batch.length < batchSize) continue;
    await compare(batch);
    batch = [];
  }
  await compare(batch);
  return { from, executions, unknown };
}
