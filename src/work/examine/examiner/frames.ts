import type { Readable } from "node:stream";

const lengthBytes = 4;

/** A frame: the length in four bytes, big-endian, then the bytes. A case and its objects are sent to the examining process in frames. */
export function frameOf(bytes: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(bytes.byteLength);
  return [length, bytes];
}

/** Reads one frame per call; later frames stay in the pipe. */
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
