import type { Transaction } from "../tenancy/transaction.ts";
import type { RunDraft } from "./run-draft.ts";
import { updateStatuses } from "./run-store.ts";
import { appendEvents } from "./stream/run-event-store.ts";

/**
 * Writes what was drafted about runs, one draft a run: each change of status, the events, and that they are to be published.
 * The caller holds the locks of the runs' streams, which stand where the drafts begin.
 */
export async function writeDrafts(transaction: Transaction, drafts: readonly RunDraft[]): Promise<void> {
  const said = drafts.filter(({ events }) => events.length > 0);
  if (said.length === 0) return;
  const mostMoves = Math.max(...said.map(({ moves }) => moves.length));
  const nthMoves = Array.from({ length: mostMoves }, (_, n) => said.flatMap(({ moves }) => moves.slice(n, n + 1)));
  await Promise.all([...nthMoves.map((runs) => updateStatuses(transaction, runs)), appendEvents(transaction, said)]);
}
