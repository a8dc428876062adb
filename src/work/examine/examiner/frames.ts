import type { Readable } from "node:stream";

const lengthBytes = 4;

/** A length, big-endian in four bytes, and so many bytes: how a case and its objects reach the process that examines them. */
export function frameOf(bytes: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(bytes.byteLength);
  return [length, bytes];
}

/** Reads frames one after the other; what follows the one that was asked for stays in the pipe. */
export function readFrames(source: Readable): { next(): Promise<Buffer> } {
  const chunks: AsyncIterator<Buffer> = source.iterator({ destroyOnReturn: false });
  let rest: Buffer = Buffer.alloc(0);
  const take = async (length: number): Promise<Buffer> => {
    const taken = Buffer.alloc(length);
    let filled = rest.copy(taken);
    rest = rest.subarray(filled);
    while (filled < length) {
      const { value: chunk } = await chunks.next();
      if (chunk === undefined) throw new Error("the input ended within a frame");
      const copied = chunk.copy(taken, filled);
      filled += copied;
      rest = chunk.subarray(copied);
    }
    return taken;
  };
  return { next: async () => take((await take(lengthBytes)).readUInt32BE()) };
}
