import { inflateSync } from "node:zlib";
import { PatchTooLargeError } from "./patch-change.ts";
import type { PatchLines } from "./patch-lines.ts";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
const digits = new Map([...alphabet].map((character, value) => [character, value]));
const mebibyte = 1024 ** 2;
/** Of one file, of its instructions, and of each half. */
const mostOfOne = 64 * mebibyte;
/** Of a whole patch, both halves of each file: what is unpacked is searched, and a sparse file costs next to nothing to send. */
const mostOfAll = 128 * mebibyte;

/** What a patch may still unpack to. */
export interface UnpackRoom {
  bytes: number;
}

export const wholeRoom = (): UnpackRoom => ({ bytes: mostOfAll });

/**
 * Reads the two halves of a `GIT binary patch`: there and back.
 * @returns the first, inflated: the new content for `literal`, git's copy and insert instructions for `delta`
 */
export function readBinary(lines: PatchLines, room: UnpackRoom): Uint8Array {
  const there = readHalf(lines, room);
  readHalf(lines, room);
  return there;
}

function readHalf(lines: PatchLines, room: UnpackRoom): Uint8Array {
  const size = Number(lines.take(/^(?:literal|delta) (\d{1,9})$/, "`literal` or `delta`")[1]);
  if (size > mostOfOne)
    throw new PatchTooLargeError(
      `a binary file of ${size} bytes changed; at most ${mostOfOne / mebibyte} MiB are read of one`,
    );
  room.bytes -= size;
  if (room.bytes < 0)
    throw new PatchTooLargeError(
      `its binary files unpack to more than ${mostOfAll / mebibyte} MiB together, before and after`,
    );
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
