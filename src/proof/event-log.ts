import { sha256Hex } from "../artifacts/blobs.ts";
import type { RunEventJson } from "../gen/automation/v1/run_event_pb.ts";
import { canonicalJson } from "../text/canonical-json.ts";

/** The closed event log of a run: one event a line, each the RFC 8785 JSON whose sha256 the next one carries. */
export interface EventLog {
  readonly name: "events.ndjson";
  readonly mediaType: "application/x-ndjson";
  readonly bytes: Uint8Array;
  /** sha256 of the bytes, lower-case hex: the subject of every statement about the run. */
  readonly sha256: string;
  /** sha256 of the last event. */
  readonly head: string;
  /** Number of events. */
  readonly count: number;
}

export const eventLogName = "events.ndjson";
export const eventLogMediaType = "application/x-ndjson";

/** @param head - sha256 of the last of the events */
export function writeEventLog(events: readonly RunEventJson[], head: string): EventLog {
  const bytes = Buffer.from(events.map((event) => `${canonicalJson(event)}\n`).join(""));
  return {
    name: eventLogName,
    mediaType: eventLogMediaType,
    bytes,
    sha256: sha256Hex(bytes),
    head,
    count: events.length,
  };
}
