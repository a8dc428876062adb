import { createHash } from "node:crypto";
import type { BlobOwner } from "../../artifacts/blobs.ts";
import { keepBlob, keepLargeBlob } from "../../artifacts/blobs.ts";
import type { ObjectStore } from "../../artifacts/object-store.ts";
import type { RunEventJson } from "../../gen/automation/v1/run_event_pb.ts";
import type { StreamHead } from "../../runs/stream/chain-events.ts";
import { canonicalJson } from "../../text/canonical-json.ts";

/** The closed event log of a run, stored as an object: one event per line as RFC 8785 JSON; each event carries the sha256 of the line before. */
export interface EventLog {
  readonly name: "events.ndjson";
  readonly mediaType: "application/x-ndjson";
  /** sha256 of the bytes, lower-case hex: the subject of every statement about the run. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** sha256 of the last event. */
  readonly head: string;
  /** Number of events. */
  readonly count: number;
}

export const eventLogName = "events.ndjson";
export const eventLogMediaType = "application/x-ndjson";

/** A log up to this size is held in memory; a larger one is read twice, page by page. */
const heldBytes = 8 * 1024 * 1024;

/** Reads the events of a log in pages; each call starts at the first event. */
export type ReadLog = () => AsyncIterable<readonly RunEventJson[]>;

/**
 * Stores the log of a run as one object. It is read page by page, so that a long log takes little memory and does not block other calls.
 * @param head - the end of the log; as many events as it counts must be read
 * @throws AlteredObjectError when its key holds other bytes
 */
export async function keepEventLog(
  objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh">,
  owner: BlobOwner,
  readLog: ReadLog,
  head: Pick<StreamHead, "lastSequence" | "lastHash">,
  signal: AbortSignal,
): Promise<EventLog> {
  const hash = createHash("sha256");
  const held: Buffer[] = [];
  let sizeBytes = 0;
  let count = 0;
  for await (const page of readLog()) {
    const bytes = linesOf(page);
    hash.update(bytes);
    sizeBytes += bytes.byteLength;
    count += page.length;
    if (sizeBytes <= heldBytes) held.push(bytes);
    else held.length = 0;
  }
  if (count !== head.lastSequence) throw new Error(`the log has ${count} events, ${head.lastSequence} were appended`);
  const sha256 = hash.digest("hex");
  if (sizeBytes <= heldBytes) await keepBlob(objects, owner, Buffer.concat(held), eventLogMediaType, signal);
  else
    await keepLargeBlob(objects, owner, { sha256, sizeBytes, read: () => bytesOf(readLog) }, eventLogMediaType, signal);
  return { name: eventLogName, mediaType: eventLogMediaType, sha256, sizeBytes, head: head.lastHash, count };
}

const linesOf = (page: readonly RunEventJson[]): Buffer =>
  Buffer.from(page.map((event) => `${canonicalJson(event)}\n`).join(""));

async function* bytesOf(readLog: ReadLog): AsyncIterable<Uint8Array> {
  for await (const page of readLog()) yield linesOf(page);
}
