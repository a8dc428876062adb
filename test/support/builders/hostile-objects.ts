import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { constants, deflateRawSync, deflateSync } from "node:zlib";
import type { TestRepository } from "./repositories.ts";

/** Objects that git's own commands would take minutes, or gigabytes, to make. */
const mebibyte = 1024 * 1024;
const zeros = Buffer.alloc(mebibyte);

/** Writes a blob of zeros as a loose object of a thousandth of its size. @returns its name */
export function zeroBlob(repository: TestRepository, mebibytes: number): string {
  const head = Buffer.from(`blob ${mebibytes * mebibyte}\0`);
  // deflate, RFC 1951: blocks that end at a byte can be put one after the other
  const piece = deflateRawSync(zeros, { finishFlush: constants.Z_FULL_FLUSH });
  const first = deflateRawSync(head, { finishFlush: constants.Z_FULL_FLUSH });
  const hash = createHash("sha1").update(head);
  for (let count = 0; count < mebibytes; count += 1) hash.update(zeros);
  const name = hash.digest("hex");
  const pieces = Array.from({ length: mebibytes }, () => piece);
  const parts = [Buffer.from([0x78, 0x01]), first, ...pieces, Buffer.from([0x03, 0x00]), adler32(head, mebibytes)];
  const path = join(repository.path, ".git/objects", name.slice(0, 2), name.slice(2));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, Buffer.concat(parts));
  return name;
}

/** RFC 1950, of a head and so many mebibytes of zeros. */
function adler32(head: Buffer, mebibytes: number): Buffer {
  const modulus = 65_521;
  let [a, b] = [1, 0];
  for (const byte of head) {
    a = (a + byte) % modulus;
    b = (b + a) % modulus;
  }
  b = (b + a * ((mebibytes * mebibyte) % modulus)) % modulus;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(b * 65_536 + a);
  return bytes;
}

/** One object of a pack: whole, or copies of a part of the one before it. */
export type Packed =
  | { readonly kind: "tree" | "blob"; readonly bytes: Buffer }
  | { readonly kind: "copies"; readonly ofBytes: number; readonly count: number };

const kinds = { commit: 1, tree: 2, blob: 3, copies: 6 } as const;

/** Puts a pack into a repository; see gitformat-pack(5). */
export function putPack(repository: TestRepository, objects: readonly Packed[]): void {
  const head = Buffer.alloc(12);
  head.write("PACK");
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(objects.length, 8);
  const parts = [head];
  let lastLength = 0;
  for (const object of objects) {
    const bytes = object.kind === "copies" ? copies(object) : object.bytes;
    const base = object.kind === "copies" ? offsetOf(lastLength) : Buffer.alloc(0);
    const part = Buffer.concat([headOf(kinds[object.kind], bytes.length), base, deflateSync(bytes)]);
    lastLength = part.length;
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  const pack = Buffer.concat([body, createHash("sha1").update(body).digest()]);
  repository.git(["index-pack", "--stdin"], pack);
}

export const nameOf = (kind: "tree" | "blob", bytes: Buffer): string =>
  createHash("sha1").update(`${kind} ${bytes.length}\0`).update(bytes).digest("hex");

export const treeEntry = (mode: string, name: string, object: string): Buffer =>
  Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(object, "hex")]);

function headOf(kind: number, size: number): Buffer {
  const bytes: number[] = [];
  let [byte, rest] = [(kind << 4) | (size & 15), Math.floor(size / 16)];
  for (; rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(byte | 128);
    byte = rest % 128;
  }
  return Buffer.from([...bytes, byte]);
}

function offsetOf(distance: number): Buffer {
  const bytes = [distance % 128];
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128)) {
    rest -= 1;
    bytes.unshift(128 | (rest % 128));
  }
  return Buffer.from(bytes);
}

function copies({ ofBytes, count }: { readonly ofBytes: number; readonly count: number }): Buffer {
  const size = [ofBytes & 255, (ofBytes >> 8) & 255, (ofBytes >> 16) & 255];
  const copy = Buffer.from([0b1111_0000, ...size]);
  return Buffer.concat([variable(ofBytes), variable(ofBytes * count), ...Array.from({ length: count }, () => copy)]);
}

function variable(size: number): Buffer {
  const bytes: number[] = [];
  let rest = size;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}
