import type { Transaction } from "../tenancy/transaction.ts";
import type { RunDraft } from "./run-draft.ts";
import { leaveQueue } from "./run-queue-store.ts";
import { isEnded } from "./run-status.ts";
import { updateStatuses } from "./run-store.ts";
import { appendEvents } from "./stream/run-event-store.ts";

/**
 * Writes what was drafted about runs, one draft a run: each change of status, the events, and that they are to be published. A run that ends before it has begun leaves the queue.
 * The caller holds the locks of the runs' streams, which stand where the drafts begin.
 */
export async function writeDrafts(transaction: Transaction, drafts: readonly RunDraft[]): Promise<void> {
  const said = drafts.filter(({ events }) => events.length > 0);
  if (said.length === 0) return;
  const mostMoves = Math.max(...said.map(({ moves }) => moves.length));
  const nthMoves = Array.from({ length: mostMoves }, (_, n) => said.flatMap(({ moves }) => moves.slice(n, n + 1)));
  const unbegun = said.map(({ run }) => run).filter(({ status, begunAt }) => isEnded(status) && begunAt === null);
  await Promise.all([
    ...nthMoves.map((runs) => updateStatuses(transaction, runs)),
    ...(unbegun.length === 0 ? [] : [leaveQueue(transaction, unbegun)]),
    appendEvents(transaction, said),
  ]);
}
