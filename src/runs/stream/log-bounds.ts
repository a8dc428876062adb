import type { EventDraft, StreamHead } from "./chain-events.ts";

/** Most that a run's log may hold, over all of its generations and attempts. */
export const logBounds = { events: 100_000, bytes: 268_435_456 } as const;
/** Kept back for what the scheduler says itself (states, verdict, hand-offs, the end), so that an end is always told. */
const reserve = { events: 1_000, bytes: 33_554_432 } as const;
const share = { events: logBounds.events - reserve.events, bytes: logBounds.bytes - reserve.bytes } as const;
const warnAt = 0.8;
/** What an event has beside its payload and context: its place, its time, its hashes. */
const frameBytes = 400;

/** Keys of what the log says of itself, once each. */
export const logNotes = { nearlyFull: "log/nearly-full", full: "log/full" } as const;

const bounds = `${logBounds.events} events and ${logBounds.bytes / 1_048_576} MiB`;
const nearlyFull = `the log of this run holds 80 % of what it may (${bounds}); what its work says beyond that is not kept`;
const full = `the log of this run is full (${bounds}); what its work says from here on is not kept`;

/**
 * Lets what the work says into the log as far as there is room. At four fifths the log says that it is nearly full, and at its end that it is: nothing is left out unsaid.
 * @param known - keys of the run's events, as far as they are `logNotes`
 * @param contextBytes - what each event carries of its run
 * @returns what is to be appended
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
