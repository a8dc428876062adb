import type { Transaction } from "../tenancy/transaction.ts";
import type { RunDraft } from "./run-draft.ts";
import { leaveQueue } from "./run-queue-store.ts";
import { isEnded } from "./run-status.ts";
import { updateStatuses } from "./run-store.ts";
import { appendEvents } from "./stream/run-event-store.ts";

/**
 * Writes drafts, at most one per run: every status change, the events, and the outbox rows that get these published. A run that ends before it has begun leaves the queue.
 * The caller holds the locks of the streams and has checked that each is at the `base` of its draft.
 */
export async function writeDrafts(transaction: Transaction, drafts: readonly RunDraft[]): Promise<void> {
  const nonEmpty = drafts.filter(({ events }) => events.length > 0);
  if (nonEmpty.length === 0) return;
  const mostMoves = Math.max(...nonEmpty.map(({ moves }) => moves.length));
  const nthMoves = Array.from({ length: mostMoves }, (_, n) => nonEmpty.flatMap(({ moves }) => moves.slice(n, n + 1)));
  const unbegun = nonEmpty.map(({ run }) => run).filter(({ status, begunAt }) => isEnded(status) && begunAt === null);
  await Promise.all([
    ...nthMoves.map((runs) => updateStatuses(transaction, runs)),
    ...(unbegun.length === 0 ? [] : [leaveQueue(transaction, unbegun)]),
    appendEvents(transaction, nonEmpty),
  ]);
}
