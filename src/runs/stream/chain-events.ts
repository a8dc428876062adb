import { sha256Hex } from "../../artifacts/blobs.ts";
import type { EventContextJson, RunEventJson } from "../../gen/automation/v1/run_event_pb.ts";
import { canonicalJson } from "../../text/canonical-json.ts";
import { storableJson } from "../../text/strangers-text.ts";

/** What a writer wants to say; sequence, time and hash are given when it is appended. */
export type EventDraft = Omit<RunEventJson, "runId" | "sequence" | "writerKey" | "at" | "context" | "prevHash"> & {
  /** Unique per run: the same key again is the same event. */
  readonly writerKey: string;
};

/** Where a run's stream stands. */
export interface StreamHead {
  readonly lastSequence: number;
  /** sha256 of the last event; 64 zeros before the first. */
  readonly lastHash: string;
  /** Bytes of the log so far: the RFC 8785 JSON of each event, and a line feed. */
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
 * Gives each draft its place: `sequence` counts on gaplessly and `prevHash` is the hash of the event before. Whatever a writer quotes becomes storable here, so that no text of a
 * stranger can keep an event out of the log.
 * @param at - time of all of them, UTC
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

/** @returns sha256, lower-case hex, of the event's RFC 8785 JSON */
export function hashEvent(event: RunEventJson): string {
  return sha256Hex(canonicalJson(event));
}
