import type { ObjectStore } from "../artifacts/object-store.ts";
import type { RunEventJson } from "../gen/automation/v1/run_event_pb.ts";
import type { EventLog } from "../proof/statements/event-log.ts";
import { keepEventLog } from "../proof/statements/event-log.ts";
import type { RunDraft } from "../runs/run-draft.ts";
import { readEvents } from "../runs/stream/run-event-store.ts";
import type { InScope } from "../tenancy/transaction.ts";

/** Events per page. An event has up to 64 KiB, and reading a page blocks the event loop for a moment. */
export const pageEvents = 100;

/**
 * Stores the log of a run, including the drafted events, as an object. Stored events never change, so they are read without the stream's lock; writing the draft later checks that
 * it still follows them.
 * @param first - the first page of the stored events
 */
export function closeLog(
  deps: { readonly inScope: InScope; readonly objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh"> },
  { base, run, head, events }: RunDraft,
  first: readonly RunEventJson[],
  signal: AbortSignal,
): Promise<EventLog> {
  const drafted = events.map(({ event }) => event);
  async function* read(): AsyncGenerator<readonly RunEventJson[]> {
    yield first;
    for (let last = first.length; last < base.lastSequence; ) {
      signal.throwIfAborted();
      const atMost = Math.min(pageEvents, base.lastSequence - last);
      const page = await deps.inScope(run, (transaction) => readEvents(transaction, run, last, atMost));
      if (page.length === 0) break;
      last += page.length;
      yield page;
    }
    yield drafted;
  }
  return keepEventLog(deps.objects, run, read, head, signal);
}
