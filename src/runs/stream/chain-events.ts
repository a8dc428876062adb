import { sha256Hex } from "../../artifacts/blobs.ts";
import type { EventContextJson, RunEventJson } from "../../gen/automation/v1/run_event_pb.ts";
import { canonicalJson } from "../../text/canonical-json.ts";
import { storableJson } from "../../text/strangers-text.ts";

/** An event before it is appended; sequence, time and hash are set then. */
export type EventDraft = Omit<RunEventJson, "runId" | "sequence" | "writerKey" | "at" | "context" | "prevHash"> & {
  /** Unique per run; the same key means the same event. */
  readonly writerKey: string;
};

/** Position and size of a run's stream. */
export interface StreamHead {
  readonly lastSequence: number;
  /** sha256 of the last event; 64 zeros before the first. */
  readonly lastHash: string;
  /** Bytes of the log so far: RFC 8785 JSON of each event plus a line feed. */
  readonly sizeBytes: number;
}

export interface ChainedEvent {
  readonly sequence: number;
  readonly writerKey: string;
  readonly hash: string;
  readonly event: RunEventJson;
}

export const genesis: StreamHead = { lastSequence: 0, lastHash: "0".repeat(64), sizeBytes: 0 };

/**
 * Gives each draft its place in the chain: the next `sequence` without gaps, and `prevHash`, the hash of the previous event. Texts are made storable here, so that no quoted text can keep an
 * event out of the log.
 * @param at - time of all events, UTC
 * @returns the events and the new head
 */
export function chainEvents(
  head: StreamHead,
  run: { readonly runId: string; readonly context: EventContextJson },
  drafts: readonly EventDraft[],
  at: Date,
): { readonly events: ChainedEvent[]; readonly head: StreamHead } {
  const events: ChainedEvent[] = [];
  let { lastSequence, lastHash, sizeBytes } = head;
  for (const { writerKey, ...payload } of drafts) {
    lastSequence += 1;
    const event: RunEventJson = {
      runId: run.runId,
      sequence: String(lastSequence),
      writerKey,
      at: at.toISOString(),
      context: run.context,
      prevHash: lastHash,
      ...storableJson(payload),
    };
    const json = canonicalJson(event);
    lastHash = sha256Hex(json);
    sizeBytes += Buffer.byteLength(json) + 1;
    events.push({ sequence: lastSequence, writerKey, hash: lastHash, event });
  }
  return { events, head: { lastSequence, lastHash, sizeBytes } };
}
