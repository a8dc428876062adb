import type { EventDraft, StreamHead } from "./chain-events.ts";

/** Limits of a run's log, over all generations and attempts. */
export const logBounds = { events: 100_000, bytes: 268_435_456 } as const;
/** Reserved for events of the scheduler (states, verdict, hand-offs, the end), so that an end can always be recorded. */
const reserve = { events: 1_000, bytes: 33_554_432 } as const;
const share = { events: logBounds.events - reserve.events, bytes: logBounds.bytes - reserve.bytes } as const;
const warnAt = 0.8;
/** Size of an event without payload and context: sequence, time, hashes. */
const frameBytes = 400;

/** Writer keys of the events about the log itself; each is appended once. */
export const logNotes = { nearlyFull: "log/nearly-full", full: "log/full" } as const;

const bounds = `${logBounds.events} events and ${logBounds.bytes / 1_048_576} MiB`;
const nearlyFull = `the log of this run holds 80 % of what it may (${bounds}); what its work says beyond that is not kept`;
const full = `the log of this run is full (${bounds}); what its work says from here on is not kept`;

/**
 * Selects the events of the work that still fit into the log. An event says when 80 % are used, another one when the log is full, so that nothing is dropped silently.
 * @param known - which of `logNotes` the log has already
 * @param contextBytes - size of the context in each event
 * @returns the events to append
 */
export function fitIntoLog(
  head: StreamHead,
  drafts: readonly EventDraft[],
  { known, contextBytes }: { readonly known: ReadonlySet<string>; readonly contextBytes: number },
): EventDraft[] {
  if (known.has(logNotes.full)) return [];
  const fitting: EventDraft[] = [];
  let { lastSequence: events, sizeBytes: bytes } = head;
  let isTold = known.has(logNotes.nearlyFull);
  for (const draft of drafts) {
    events += 1;
    bytes += Buffer.byteLength(JSON.stringify(draft)) + contextBytes + frameBytes;
    if (events > share.events || bytes > share.bytes) return [...fitting, note(logNotes.full, full)];
    fitting.push(draft);
    if (isTold || (events < warnAt * share.events && bytes < warnAt * share.bytes)) continue;
    fitting.push(note(logNotes.nearlyFull, nearlyFull));
    isTold = true;
  }
  return fitting;
}

function note(writerKey: string, text: string): EventDraft {
  return { writerKey, message: { text, truncated: writerKey === logNotes.full } };
}
