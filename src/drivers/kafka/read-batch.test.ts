import { createRecordsBatch } from "@platformatic/kafka";
import { describe, expect, it } from "vitest";
import { batchLength, batchLimit, readBatch } from "./read-batch.ts";

const codecs = ["gzip", "snappy", "lz4", "zstd"] as const;
type Codec = (typeof codecs)[number] | "none";

/** Records of so many bytes each, at offsets from 1000. */
function aBatch(compression: Codec, sizes: readonly number[], fill = 0): Buffer {
  const messages = sizes.map((size, n) => ({ topic: "t", key: Buffer.from(`k${n}`), value: Buffer.alloc(size, fill) }));
  const bytes = Buffer.from(createRecordsBatch(messages, { compression }).buffer);
  bytes.writeBigInt64BE(1_000n, 0);
  return bytes;
}

const unreadable = (first: bigint, delta: number, rule: unknown) => [
  expect.objectContaining({ offsetDelta: delta, value: null, metadata: { unreadable: { firstOffset: first, rule } } }),
];

describe("a batch", () => {
  it.each(["none", ...codecs] as const)("packed with %s has the records that were packed", (codec) => {
    const { batch, sizeBytes } = readBatch(aBatch(codec, [5, 0, 70_000], 0x61));
    expect(batch.firstOffset).toBe(1_000n);
    expect(batch.records.map(({ key, value, offsetDelta }) => [String(key), value?.length, offsetDelta])).toEqual([
      ["k0", 5, 0],
      ["k1", 0, 1],
      ["k2", 70_000, 2],
    ]);
    expect(sizeBytes).toBeGreaterThan(70_000);
  });

  it.each(codecs)("is read up to the limit, and not beyond, packed with %s", (codec) => {
    const framing = 100;
    expect(readBatch(aBatch(codec, [batchLimit.bytes - framing])).batch.records[0]?.value?.length).toBe(
      batchLimit.bytes - framing,
    );
    const { batch } = readBatch(aBatch(codec, [1, batchLimit.bytes]));
    expect(batch.records).toEqual(unreadable(1_000n, 1, `must unpack to at most ${batchLimit.bytes} bytes`));
  });

  it.each(codecs)("is unreadable when its %s is broken or cut short, whichever byte it is", (codec) => {
    const whole = aBatch(codec, [300, 300], 0x61);
    let broken = 0;
    for (let at = 61; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
      const { records } = readBatch(bytes).batch;
      if (records.length === 1) {
        broken += 1;
        expect(records).toEqual(unreadable(1_000n, 1, expect.stringMatching(/^must /)));
      } else expect(records).toHaveLength(2);
    }
    expect(broken).toBeGreaterThan(0);
    const cut = Buffer.from(whole.subarray(0, 66));
    expect(readBatch(cut).batch.records).toEqual(unreadable(1_000n, 1, expect.stringMatching(/^must be data of/)));
  });

  it("is unreadable when its codec is none that there is, or it says more records than it has", () => {
    const strange = aBatch("none", [1]);
    strange.writeInt16BE(6, 21);
    expect(readBatch(strange).batch.records).toEqual(
      unreadable(1_000n, 0, "must be packed with gzip, snappy, lz4 or zstd, not with codec 6"),
    );
    for (const count of [2, batchLimit.records]) {
      const bytes = aBatch("none", [1]);
      bytes.writeInt32BE(count, 57);
      expect(readBatch(bytes).batch.records).toEqual(
        unreadable(1_000n, 0, "must have the records that its header says"),
      );
    }
    const many = aBatch("none", [1]);
    many.writeInt32BE(batchLimit.records + 1, 57);
    expect(readBatch(many).batch.records).toEqual(
      unreadable(1_000n, 0, `must have at most ${batchLimit.records} records, and has ${batchLimit.records + 1}`),
    );
  });

  it("has its length once all of it is there", () => {
    const bytes = aBatch("none", [10]);
    expect(batchLength(Buffer.concat([bytes, bytes]))).toBe(bytes.length);
    expect(batchLength(bytes.subarray(0, -1))).toBeUndefined();
    expect(batchLength(bytes.subarray(0, 11))).toBeUndefined();
  });
});
