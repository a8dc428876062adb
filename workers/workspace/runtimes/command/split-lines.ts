/** A line without its line feed. `isCut`: it was longer, and the rest was dropped. */
export interface Line {
  readonly bytes: Buffer;
  readonly isCut: boolean;
}

/** Splits chunks at line feeds and holds at most `lineBytes` of a line, however long it is. The last line needs no line feed. */
export function createSplitLines(lineBytes: number): {
  readonly push: (chunk: Buffer) => Generator<Line>;
  readonly end: () => Generator<Line>;
} {
  let parts: Buffer[] = [];
  let held = 0;
  let isCut = false;

  const hold = (piece: Buffer) => {
    const room = piece.subarray(0, lineBytes - held);
    isCut ||= room.byteLength < piece.byteLength;
    if (room.byteLength === 0) return;
    parts.push(room);
    held += room.byteLength;
  };
  const release = (): Line => {
    const line = { bytes: Buffer.concat(parts), isCut };
    parts = [];
    held = 0;
    isCut = false;
    return line;
  };

  return {
    *push(chunk) {
      let from = 0;
      for (let at = chunk.indexOf(0x0a); at >= 0; at = chunk.indexOf(0x0a, from)) {
        hold(chunk.subarray(from, at));
        from = at + 1;
        yield release();
      }
      hold(chunk.subarray(from));
    },
    *end() {
      if (held > 0) yield release();
    },
  };
}
