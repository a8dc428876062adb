import type { KafkaRecord, RecordsBatch } from "@platformatic/kafka";
import { IS_COMPRESSED, Reader, readRecordsBatch } from "@platformatic/kafka";
import { UnpackError, unpack } from "./unpack.ts";

/** Bounds of one batch. A broker's own limit, 1 MiB unless configured, counts packed bytes. */
export const batchLimit = { bytes: 16 * 1024 * 1024, records: 100_000 };

/** Stands in `metadata` of the one record that such a batch has. */
export interface UnreadableBatch {
  readonly firstOffset: bigint;
  /** The rule that was broken. */
  readonly rule: string;
}

/** Offsets within a record batch (Kafka protocol, message format 2). */
const at = { length: 8, attributes: 21, count: 57, records: 61 };
/** First offset and length, which the length does not count. */
const headBytes = 12;

/** @returns length of the batch at the start of the bytes, or undefined when the rest of it is missing */
export function batchLength(bytes: Buffer): number | undefined {
  if (bytes.length < headBytes) return undefined;
  const length = headBytes + bytes.readInt32BE(at.length);
  return length <= bytes.length ? length : undefined;
}

/**
 * Reads a batch and unpacks it within `batchLimit`. A batch that can't be read has one record, at its last offset, that says why:
 * reading it again won't help, and what comes after it must go on.
 */
export function readBatch(bytes: Buffer): { readonly batch: RecordsBatch; readonly sizeBytes: number } {
  try {
    const count = bytes.readInt32BE(at.count);
    if (count > batchLimit.records)
      throw new UnpackError(`must have at most ${batchLimit.records} records, and has ${count}`);
    const plain = unpacked(bytes);
    return { batch: readRecordsBatch(Reader.from(plain)), sizeBytes: plain.length };
  } catch (error) {
    return { batch: unreadable(bytes, error), sizeBytes: bytes.length };
  }
}

/** The same batch without compression. */
function unpacked(bytes: Buffer): Buffer {
  const attributes = bytes.readInt16BE(at.attributes);
  const codec = attributes & IS_COMPRESSED;
  if (codec === 0) return bytes;
  const plain = Buffer.concat([
    bytes.subarray(0, at.records),
    unpack(bytes.subarray(at.records), codec, batchLimit.bytes),
  ]);
  plain.writeInt16BE(attributes & ~IS_COMPRESSED, at.attributes);
  plain.writeInt32BE(plain.length - headBytes, at.length);
  return plain;
}

function unreadable(bytes: Buffer, error: unknown): RecordsBatch {
  const head = Buffer.from(bytes.subarray(0, at.records));
  head.writeInt16BE(head.readInt16BE(at.attributes) & ~IS_COMPRESSED, at.attributes);
  head.writeInt32BE(0, at.count);
  const batch = readRecordsBatch(Reader.from(head));
  const rule = error instanceof UnpackError ? error.message : "must have the records that its header says";
  const reason: UnreadableBatch = { firstOffset: batch.firstOffset, rule };
  const record: KafkaRecord & { metadata: object } = {
    length: 0,
    attributes: 0,
    timestampDelta: 0n,
    offsetDelta: batch.lastOffsetDelta,
    key: null,
    value: null,
    headers: [],
    metadata: { unreadable: reason },
  };
  return { ...batch, records: [record] };
}
