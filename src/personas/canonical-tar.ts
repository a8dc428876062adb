import { faultOfPath, splitPath } from "./bundle-path.ts";

/** A bundle, or the folder that it is made of, can't be published. */
export class InvalidBundleError extends Error {
  override readonly name = "InvalidBundleError";
  readonly code = "invalid_bundle";
}

/** A file of a bundle. Folders exist by the paths of their files; empty ones are not kept. */
export interface BundleFile {
  /** Relative, `/` between folders, NFC. */
  readonly path: string;
  readonly isExecutable: boolean;
  readonly bytes: Uint8Array;
}

/** Most bytes of a bundle, as a tar. */
export const largestBundleBytes = 4 * 1024 * 1024;
/** Most files of a bundle, its manifest included. */
export const mostFiles = 1_000;

const blockBytes = 512;
/** POSIX ustar: offset and length of each field of a header. */
const fields = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  uname: [265, 32],
  gname: [297, 32],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
  padding: [500, 12],
  checksum: [148, 8], // last: it differs whenever another field does
} as const;
type Field = keyof typeof fields;

/**
 * Writes the one tar of some files: ustar, files only, in byte order of their paths, modes 0644 or 0755, owner 0, time 0, two empty blocks at the end.
 * @throws InvalidBundleError when it is too large, has too many files, or has a path that is not allowed or occurs twice
 */
export function encodeTar(files: readonly BundleFile[]): Buffer {
  const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  assertFiles(sorted);
  const blocks = sorted.flatMap((file) => [
    headerOf(file.path, file.isExecutable, file.bytes.byteLength),
    file.bytes,
    Buffer.alloc(paddingOf(file.bytes.byteLength)),
  ]);
  const tar = Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
  assertSize(tar.byteLength);
  return tar;
}

/**
 * Reads a tar that `encodeTar` could have written, byte for byte.
 * @throws InvalidBundleError that names the entry and what differs
 */
export function decodeTar(tar: Uint8Array): BundleFile[] {
  assertSize(tar.byteLength);
  const bytes = Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength);
  const files: BundleFile[] = [];
  let at = 0;
  for (;;) {
    const header = bytes.subarray(at, at + blockBytes);
    if (header.byteLength < blockBytes) throw new InvalidBundleError("the bundle is cut off; make it again");
    if (isZero(header)) break;
    if (files.length === mostFiles) throw tooManyFiles();
    const file = readHeader(header);
    at += blockBytes;
    const end = at + file.sizeBytes;
    const padded = end + paddingOf(file.sizeBytes);
    if (padded > bytes.byteLength) throw new InvalidBundleError(`bundle: "${file.path}" is cut off; make it again`);
    if (!isZero(bytes.subarray(end, padded)))
      throw new InvalidBundleError(`bundle: "${file.path}" is followed by bytes that are not 0; ${remedy}`);
    const previous = files.at(-1)?.path;
    if (previous !== undefined && Buffer.compare(Buffer.from(previous), Buffer.from(file.path)) >= 0)
      throw new InvalidBundleError(`bundle: "${file.path}" is out of order after "${previous}"; ${remedy}`);
    files.push({ path: file.path, isExecutable: file.isExecutable, bytes: bytes.subarray(at, end) });
    at = padded;
  }
  const rest = bytes.subarray(at);
  if (rest.byteLength !== 2 * blockBytes || !isZero(rest))
    throw new InvalidBundleError(`bundle: must end with two empty blocks and nothing after them; ${remedy}`);
  assertFiles(files);
  return files;
}

const remedy = "make the bundle with `automation persona publish FOLDER`";

/** Reads one header and compares it, field by field, with the one that its file must have. */
function readHeader(header: Buffer): { path: string; isExecutable: boolean; sizeBytes: number } {
  const name = textOf(header, "name");
  const prefix = textOf(header, "prefix");
  const path = prefix === "" ? name : `${prefix}/${name}`;
  const type = rawOf(header, "type");
  if (type !== "0")
    throw new InvalidBundleError(`bundle: "${path}" has type "${type}"; links, folders and special files are refused`);
  const fault = faultOfPath(path);
  if (fault !== undefined) throw new InvalidBundleError(`bundle: path "${path}" ${fault}; rename the file`);
  const isExecutable = rawOf(header, "mode").startsWith("0000755");
  const size = /^[0-7]{11}(?=\0$)/.exec(rawOf(header, "size"))?.[0];
  const sizeBytes = Number.parseInt(size ?? "0", 8);
  const expected = headerOf(path, isExecutable, sizeBytes);
  for (const field of Object.keys(fields) as Field[]) {
    const [is, must] = [rawOf(header, field), rawOf(expected, field)];
    if (is !== must)
      throw new InvalidBundleError(
        `bundle: "${path}" has ${field} ${JSON.stringify(is)}, must have ${JSON.stringify(must)}; ${remedy}`,
      );
  }
  return { path, isExecutable, sizeBytes };
}

function headerOf(path: string, isExecutable: boolean, sizeBytes: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  const write = (field: Field, text: string) => header.write(text, fields[field][0], "utf8");
  const { prefix = "", name = "" } = splitPath(path) ?? {};
  write("name", name);
  write("mode", isExecutable ? "0000755\0" : "0000644\0");
  for (const field of ["uid", "gid", "devmajor", "devminor"] as const) write(field, "0000000\0");
  write("size", `${sizeBytes.toString(8).padStart(11, "0")}\0`);
  write("mtime", "00000000000\0");
  write("checksum", "        "); // the checksum is computed with blanks in its own field
  write("type", "0");
  write("magic", "ustar\0");
  write("version", "00");
  write("prefix", prefix);
  const sum = header.reduce((total, byte) => total + byte, 0);
  write("checksum", `${sum.toString(8).padStart(6, "0")}\0 `);
  return header;
}

/** @throws InvalidBundleError */
function assertFiles(sorted: readonly BundleFile[]): void {
  if (sorted.length > mostFiles) throw tooManyFiles();
  const paths = new Set<string>();
  for (const { path } of sorted) {
    const fault = faultOfPath(path);
    if (fault !== undefined) throw new InvalidBundleError(`path "${path}" ${fault}; rename the file`);
    if (paths.has(path)) throw new InvalidBundleError(`path "${path}" is there twice; rename one of the files`);
    paths.add(path);
  }
  for (const path of paths)
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1))
      if (paths.has(path.slice(0, at)))
        throw new InvalidBundleError(`path "${path.slice(0, at)}" is a file and a folder; rename one of them`);
}

/** @throws InvalidBundleError */
function assertSize(sizeBytes: number): void {
  if (sizeBytes > largestBundleBytes)
    throw new InvalidBundleError(
      `the bundle has ${sizeBytes} bytes; ${largestBundleBytes} (4 MiB) are allowed: leave out what the persona does not need`,
    );
}

function tooManyFiles(): InvalidBundleError {
  return new InvalidBundleError(
    `the bundle has more than ${mostFiles} files; leave out what the persona does not need, or put its modules into one`,
  );
}

function rawOf(header: Buffer, field: Field): string {
  const [offset, length] = fields[field];
  return header.toString("latin1", offset, offset + length);
}

function textOf(header: Buffer, field: Field): string {
  const [offset, length] = fields[field];
  const end = header.indexOf(0, offset);
  return header.toString("utf8", offset, end < 0 ? offset + length : Math.min(end, offset + length));
}

function paddingOf(sizeBytes: number): number {
  return (blockBytes - (sizeBytes % blockBytes)) % blockBytes;
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
