import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { compressionsAlgorithms } from "@platformatic/kafka";

interface Codec {
  readonly name: string;
  /** @throws when the bytes are not of this codec, or unpack to more than the limit */
  unpack(bytes: Buffer, limitBytes: number): Buffer;
}

/** By their number in a batch's attributes. The client unpacks without a limit, so the size is read, or bounded by zlib, before memory is taken. */
const codecs: Readonly<Record<number, Codec>> = {
  1: { name: "gzip", unpack: (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }) },
  2: { name: "snappy", unpack: sized(snappySize, compressionsAlgorithms.snappy.decompressSync) },
  3: { name: "lz4", unpack: sized(lz4Size, compressionsAlgorithms.lz4.decompressSync) },
  4: { name: "zstd", unpack: (bytes, maxOutputLength) => zstdDecompressSync(bytes, { maxOutputLength }) },
};

/** What a producer packed can't be unpacked, or is too large then. The message is a rule about the batch. */
export class UnpackError extends Error {
  override readonly name = "UnpackError";
  readonly code = "unpack";
}

/** @param number - of the codec, 1 to 7. @throws UnpackError */
export function unpack(bytes: Buffer, number: number, limitBytes: number): Buffer {
  const codec = codecs[number];
  if (codec === undefined)
    throw new UnpackError(`must be packed with gzip, snappy, lz4 or zstd, not with codec ${number}`);
  try {
    return codec.unpack(bytes, limitBytes);
  } catch (cause) {
    if (cause instanceof UnpackError) throw cause;
    const isTooLarge = cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE";
    throw new UnpackError(isTooLarge ? tooLarge(limitBytes) : `must be data of ${codec.name}, as its header says`, {
      cause,
    });
  }
}

const tooLarge = (limitBytes: number): string => `must unpack to at most ${limitBytes} bytes`;

function sized(sizeOf: (bytes: Buffer) => number, decompress: (bytes: Buffer) => Buffer): Codec["unpack"] {
  return (bytes, limitBytes) => {
    if (sizeOf(bytes) > limitBytes) throw new UnpackError(tooLarge(limitBytes));
    return decompress(bytes);
  };
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeadBytes = 16;

/** Of raw snappy (format description, section 1), or of the chunks that Java producers write (xerial). */
function snappySize(bytes: Buffer): number {
  if (!bytes.subarray(0, xerialMagic.length).equals(xerialMagic)) return varint(bytes, 0);
  let size = 0;
  for (let at = xerialHeadBytes; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) size += varint(bytes, at + 4);
  return size;
}

function varint(bytes: Buffer, from: number): number {
  let value = 0;
  for (let at = from; at < from + 5; at += 1) {
    const byte = bytes.readUInt8(at);
    value += (byte & 0x7f) * 2 ** (7 * (at - from));
    if (byte < 0x80) return value;
  }
  throw new RangeError("a varint of 32 bits has at most 5 bytes");
}

/** Of an LZ4 frame (LZ4 Frame Format 1.6): the sizes of its blocks, which are walked and not unpacked. */
function lz4Size(bytes: Buffer): number {
  const flags = bytes.readUInt8(4);
  const has = (bit: number, length: number): number => ((flags >> bit) & 1) * length;
  let size = 0;
  let at = 7 + has(3, 8) + has(0, 4); // magic, flags, block size, content size, dictionary, checksum of these
  for (let head = bytes.readUInt32LE(at); head !== 0; head = bytes.readUInt32LE(at)) {
    const length = head & 0x7fffffff;
    const block = bytes.subarray(at + 4, at + 4 + length);
    size += head > 0x7fffffff ? length : lz4BlockSize(block);
    at += 4 + length + has(4, 4);
  }
  return size;
}

/** Sequences of a token, literals and a match (LZ4 Block Format). */
function lz4BlockSize(block: Buffer): number {
  let size = 0;
  let at = 0;
  const length = (nibble: number): number => {
    let sum = nibble;
    if (nibble < 15) return sum;
    for (let byte = 255; byte === 255; sum += byte) byte = block.readUInt8(at++);
    return sum;
  };
  while (at < block.length) {
    const token = block.readUInt8(at++);
    const literals = length(token >> 4);
    at += literals;
    size += literals;
    if (at >= block.length) break; // the last sequence has literals only
    at += 2;
    size += length(token & 15) + 4;
  }
  return size;
}
