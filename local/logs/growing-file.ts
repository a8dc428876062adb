import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";

/** A file that others append to, read from where we are. */
export interface GrowingFile {
  /** @returns the whole lines that were added since the last call */
  next(): string[];
}

const pieceBytes = 1024 * 1024;

/**
 * Follows a file by name: one that was replaced, or cut, is read from its beginning.
 * @param lastBytes - how much of its end is read at first
 */
export function openGrowing(path: string, lastBytes: number): GrowingFile {
  let offset: number | undefined;
  let file = 0;
  let rest = "";
  let decoder = new TextDecoder();
  const begin = (from: number, inode: number) => {
    offset = from;
    file = inode;
    rest = "";
    decoder = new TextDecoder();
  };
  return {
    next: () => {
      const found = statSync(path, { throwIfNoEntry: false });
      if (found === undefined) return [];
      const isFirst = offset === undefined;
      if (isFirst) begin(Math.max(0, found.size - lastBytes), found.ino);
      else if (found.ino !== file || found.size < (offset ?? 0)) begin(0, found.ino);
      const startsWithin = isFirst && (offset ?? 0) > 0;
      const lines: string[] = [];
      for (const piece of piecesFrom(path, offset ?? 0)) {
        offset = (offset ?? 0) + piece.length;
        const parts = (rest + decoder.decode(piece, { stream: true })).split("\n");
        rest = (parts.pop() ?? "").slice(-pieceBytes);
        lines.push(...parts);
      }
      return startsWithin ? lines.slice(1) : lines;
    },
  };
}

function* piecesFrom(path: string, from: number): Generator<Buffer, void> {
  const handle = openSync(path, "r");
  try {
    const { size } = fstatSync(handle);
    for (let at = from; at < size; ) {
      const piece = Buffer.alloc(Math.min(pieceBytes, size - at));
      const count = readSync(handle, piece, 0, piece.length, at);
      if (count === 0) return;
      at += count;
      yield piece.subarray(0, count);
    }
  } finally {
    closeSync(handle);
  }
}
