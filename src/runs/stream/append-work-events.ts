import type { OpenRun } from "../in-run.ts";
import { eventContextOf } from "../run-draft.ts";
import type { RunRow } from "../run-store.ts";
import type { EventDraft } from "./chain-events.ts";
import { fitIntoLog, logNotes } from "./log-bounds.ts";
import { findWriterKeys } from "./run-event-store.ts";

/** Appends events about the work: each once, and as far as the log has room. */
export async function appendWorkEvents(open: OpenRun, drafts: readonly EventDraft[]): Promise<void> {
  if (drafts.length === 0) return;
  const keys = drafts.map(({ writerKey }) => writerKey);
  const known = await findWriterKeys(open.transaction, open.run, [...keys, ...Object.values(logNotes)]);
  const fresh = drafts.filter((draft) => !known.has(draft.writerKey) && !isStillWaiting(open.run, draft));
  const contextBytes = Buffer.byteLength(JSON.stringify(eventContextOf(open.run)));
  const fitting = fitIntoLog(open.head, fresh, { known, contextBytes });
  if (fitting.length > 0) await open.append(fitting);
}

/** A wait can last for many attempts: it is one event, and the run shows how long it lasts. */
const isStillWaiting = ({ waiting }: RunRow, draft: EventDraft): boolean =>
  draft.waiting !== undefined && draft.waiting.reason === waiting?.reason;
