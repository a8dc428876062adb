/** Of a longer log, the first and the last bytes are kept. */
const kept = { head: 3 * 1024 * 1024, tail: 1024 * 1024 } as const;
/** Beyond this number, pieces are joined, since each has an overhead. */
const mostPieces = 1_000;

/** A log of at most 4 MiB, with a note where bytes were left out. */
export interface BoundedLog {
  append(bytes: Buffer): void;
  bytes(): Buffer;
}

export function createBoundedLog(): BoundedLog {
  let head: Buffer[] = [];
  let headBytes = 0;
  let tail: Buffer[] = [];
  let tailBytes = 0;
  let leftOut = 0;

  const trim = () => {
    const all = Buffer.concat(tail);
    const from = Math.max(0, all.byteLength - kept.tail);
    tail = [Buffer.from(all.subarray(from))];
    leftOut += from;
    tailBytes = all.byteLength - from;
  };

  return {
    append(bytes) {
      const room = bytes.subarray(0, kept.head - headBytes);
      if (room.byteLength > 0) head.push(room);
      if (head.length > mostPieces) head = [Buffer.concat(head)];
      headBytes += room.byteLength;
      const rest = bytes.subarray(room.byteLength);
      if (rest.byteLength === 0) return;
      tail.push(rest);
      tailBytes += rest.byteLength;
      if (tailBytes > 2 * kept.tail || tail.length > mostPieces) trim();
    },
    bytes() {
      trim();
      const mark = leftOut === 0 ? "" : `\n[… ${leftOut} bytes were left out here …]\n`;
      return Buffer.concat([...head, Buffer.from(mark), ...tail]);
    },
  };
}
