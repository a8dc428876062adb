import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { join, normalize } from "node:path";
import { Readable } from "node:stream";
import { runGit } from "./run-git.ts";
import type { TreeEntry, TreeLimits } from "./tree-entries.ts";
import { readTree } from "./tree-entries.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface MaterialiseHow {
  /** Of all that is made; the worker's own user when absent. */
  readonly owner?: Owner;
  /** Paths that are not made, with all below them. */
  readonly leaveOut?: readonly string[];
  /** Refuses names with control characters. */
  readonly hasPlainNames?: boolean;
}

const timeoutMs = 600_000;
const headSlack = 256;
/** A tree beyond these is refused before a byte is written. */
const limits: TreeLimits = { files: 200_000, fileBytes: 512 * 1024 ** 2, bytes: 4 * 1024 ** 3 };

/**
 * Writes a tree from git's objects, byte for byte: attributes, filters and hooks do not apply. Files get mode 0644 or 0755, folders 0755; links stay links.
 * Nothing is followed or overwritten: links are made last, and every file must be new.
 * @param to - empty folder that nobody else writes to meanwhile
 * @returns what was written, without `leaveOut`
 * @throws BaseUnavailableError for submodules, hostile names and trees that are too large; GitError when objects are missing; the signal's reason
 */
export async function materialise(
  source: { readonly gitDir: string; readonly tree: string },
  to: string,
  how: MaterialiseHow,
  signal: AbortSignal,
): Promise<{ readonly files: number; readonly bytes: number }> {
  const { hasPlainNames = false, leaveOut = [] } = how;
  const out = leaveOut.map((path) => Buffer.from(normalize(path)).toString("latin1"));
  const all = await readTree(source, { limits, hasPlainNames }, signal);
  const entries = all.filter(({ path }) => !out.some((left) => path === left || path.startsWith(`${left}/`)));
  const files = entries.filter(({ kind }) => kind !== "link");
  const links = entries.filter(({ kind }) => kind === "link");
  const wanted = [...files, ...links];
  const root = Buffer.from(to).toString("latin1");
  const put = createPut(root, how.owner);
  for (const folder of foldersOf(wanted)) put.folder(folder);
  await runGit(["cat-file", "--batch", "--buffer"], {
    gitDir: source.gitDir,
    input: Readable.from(wanted.map(({ blob }) => `${blob}\n`)),
    read: (stdout) => readBlobs(stdout, wanted, put),
    maxOutputBytes: limits.bytes + limits.files * headSlack,
    timeoutMs,
    signal,
  });
  return { files: wanted.length, bytes: wanted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}

interface Put {
  folder(path: string): void;
  /** @returns a descriptor to write to and close */
  open(entry: TreeEntry): number;
  link(entry: TreeEntry, target: Buffer): void;
}

/** Synchronous on purpose: with thousands of small files this takes a third of the time, and each call is short. */
function createPut(root: string, owner: Owner | undefined): Put {
  const place = (path: string) => Buffer.from(join(root, path), "latin1");
  return {
    folder: (path) => {
      const at = place(path);
      mkdirSync(at);
      chmodSync(at, 0o755); // the worker's umask may be strict
      if (owner !== undefined) lchownSync(at, owner.uid, owner.gid);
    },
    open: ({ path, kind }) => {
      const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
      const file = openSync(place(path), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
      if (owner !== undefined) fchownSync(file, owner.uid, owner.gid);
      fchmodSync(file, kind === "program" ? 0o755 : 0o644);
      return file;
    },
    link: ({ path }, target) => {
      const at = place(path);
      symlinkSync(target, at);
      if (owner !== undefined) lchownSync(at, owner.uid, owner.gid);
    },
  };
}

/** Reads the answers of `git cat-file --batch`: `<object> blob <size>\n`, the bytes, `\n`. */
async function readBlobs(stdout: Readable, wanted: readonly TreeEntry[], put: Put): Promise<void> {
  const source = createReader(stdout);
  for (const entry of wanted) {
    const head = await source.line();
    if (head !== `${entry.blob} blob ${entry.sizeBytes}`) throw new MissingObjectError(entry.blob, head);
    if (entry.kind === "link") {
      const parts: Buffer[] = [];
      await source.take(entry.sizeBytes, (part) => void parts.push(part));
      put.link(entry, Buffer.concat(parts));
    } else {
      const file = put.open(entry);
      try {
        await source.take(entry.sizeBytes, (part) => writeAll(file, part));
      } finally {
        closeSync(file);
      }
    }
    await source.take(1, () => undefined);
  }
}

/** An object of the tree is not in the repository. */
export class MissingObjectError extends Error {
  override readonly name = "MissingObjectError";
  readonly code = "git_object_missing";
  constructor(object: string, answer: string) {
    super(`git has no object ${object} as the tree has it: it answers "${answer}"`);
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function createReader(stdout: Readable) {
  const chunks = (stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  const more = async () => {
    const next = await chunks.next();
    if (next.done === true) return false;
    held = held.length === 0 ? next.value : Buffer.concat([held, next.value]);
    return true;
  };
  return {
    async line(): Promise<string> {
      let end = held.indexOf("\n");
      while (end < 0 && held.length <= headSlack && (await more())) end = held.indexOf("\n");
      const line = held.subarray(0, Math.max(0, end)).toString("latin1");
      held = held.subarray(end + 1);
      return line;
    },
    /** Yields exactly so many bytes, or fewer when git has ended; the next line then says so. */
    async take(length: number, each: (part: Buffer) => void): Promise<void> {
      for (let left = length; left > 0; ) {
        if (held.length === 0 && !(await more())) throw new MissingObjectError("content", "end of output");
        const part = held.subarray(0, left);
        held = held.subarray(part.length);
        left -= part.length;
        each(part);
      }
    },
  };
}

/** Outer folders first. Each path is walked upwards only to the first known folder, since trees may be deep and this runs synchronously. */
function foldersOf(entries: readonly TreeEntry[]): readonly string[] {
  const folders = new Set<string>();
  for (const { path } of entries) {
    const fresh: string[] = [];
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const folder = path.slice(0, at);
      if (folders.has(folder)) break;
      fresh.push(folder);
    }
    for (const folder of fresh.toReversed()) folders.add(folder);
  }
  return [...folders];
}
