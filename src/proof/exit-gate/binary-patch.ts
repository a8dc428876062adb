import { inflateSync } from "node:zlib";
import type { PatchLines } from "./patch-lines.ts";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const digits = new Map([...alphabet].map((character, value) => [character, value]));
/** Of one file, and of its instructions. */
const mostBytes = 64 * 1024 * 1024;

/**
 * Reads the two halves of a `GIT binary patch`: there and back.
 * @returns the first, inflated: the new content for `literal`, git's copy and insert instructions for `delta`
 */
export function readBinary(lines: PatchLines): Uint8Array {
  const there = readHalf(lines);
  readHalf(lines);
  return there;
}

function readHalf(lines: PatchLines): Uint8Array {
  const size = Number(lines.take(/^(?:literal|delta) (\d{1,9})$/, "`literal` or `delta`")[1]);
  if (size > mostBytes) throw lines.fault(`binary content of ${size} bytes; at most ${mostBytes} are read`);
  const packed: Buffer[] = [];
  for (let line = lines.next(); line !== ""; line = lines.next()) packed.push(decodeLine(line, lines));
  try {
    const content = inflateSync(Buffer.concat(packed), { maxOutputLength: Math.max(1, size) });
    if (content.length === size) return content;
  } catch {
    throw lines.fault("binary content that does not unpack");
  }
  throw lines.fault("binary content of another size than it says");
}

/** One line: its length as a letter (A–Z: 1–26, a–z: 27–52), then base85, five characters for four bytes. */
function decodeLine(line: string, lines: PatchLines): Buffer {
  const letter = line.charCodeAt(0);
  const length = /^[A-Z]/.test(line) ? letter - 64 : /^[a-z]/.test(line) ? letter - 70 : 0;
  if (length === 0 || line.length !== 1 + Math.ceil(length / 4) * 5)
    throw lines.fault("a broken line of binary content");
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
  for (let at = 1; at < line.length; at += 5) {
    let word = 0;
    for (const character of line.slice(at, at + 5)) word = word * 85 + (digits.get(character) ?? Number.NaN);
    if (!(word <= 0xffff_ffff)) throw lines.fault("a broken line of binary content");
    bytes.writeUInt32BE(word, ((at - 1) / 5) * 4);
  }
  return bytes.subarray(0, length);
}
