import type { RecordSink } from "../runs/outbox/bus-record.ts";
import { splitByBytes, toBusRecord } from "../runs/outbox/event-record.ts";
import { runEventTopic } from "../runs/outbox/topics.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { beforeDay, readPublished } from "./republish-store.ts";

/** Longest life of a run, with the day that Temporal adds: its limits of time are 30 days each. */
const longestRunMs = 92 * 86_400_000;
/** Kafka refuses a batch above 1 MiB. */
const sendBytes = 786_432;

/** What a page came to. */
export interface Republished {
  readonly read: number;
  /** With `isDryRun`: that would be published again. */
  readonly events: number;
  /** Of them, the runs; a run of two pages counts in both. */
  readonly runs: number;
}

/**
 * Publishes again, under the same ids and run by run in their order, the events that were published and are not older than `since`: for a topic that is gone, or a consumer that lost them.
 * Memory holds one page. The relay goes on beside it: what a run says meanwhile may come before what it said earlier.
 * @param deps.statements - each statement is a transaction of its own
 */
export async function* republishEvents(
  deps: { readonly statements: Transaction; readonly sink: Pick<RecordSink, "send"> },
  wanted: { readonly since: Date; readonly isDryRun: boolean; readonly signal: AbortSignal },
): AsyncGenerator<Republished> {
  const { since, isDryRun, signal } = wanted;
  let at = beforeDay(new Date(since.getTime() - longestRunMs));
  while (!signal.aborted) {
    const page = await readPublished(deps.statements, at, since);
    if (page === undefined) return;
    at = page.at;
    if (!isDryRun)
      for (const part of splitByBytes(page.events.map(toBusRecord), sendBytes))
        await deps.sink.send(runEventTopic, part);
    const runs = new Set(page.events.map(({ tenant, runId }) => `${tenant}/${runId}`)).size;
    yield { read: page.read, events: page.events.length, runs };
  }
}
