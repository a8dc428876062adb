import type { Readable } from "node:stream";
import { shownText } from "../../../src/text/strangers-text.ts";
import { BaseUnavailableError } from "./base-unavailable.ts";
import { runGit } from "./run-git.ts";

/** One file or link of a tree. */
export interface TreeEntry {
  readonly kind: "file" | "program" | "link";
  /** 40 lower-case hex. */
  readonly blob: string;
  readonly sizeBytes: number;
  /** From the root, one latin1 character a byte. */
  readonly path: string;
}

export interface TreeLimits {
  /** Of files, and of folders. */
  readonly files: number;
  /** Of one file. */
  readonly fileBytes: number;
  readonly bytes: number;
}

const timeoutMs = 120_000;
const outputBytes = 1024 ** 3;
/** So that a path fits below any run area (`PATH_MAX` is 4,096). */
const pathBytes = 3_072;
const nameBytes = 255;
/** Most bytes of all paths together: few objects can name many long paths, and the worker holds all of them in memory. */
const namesBytes = 256 * 1024 ** 2;
const linkBytes = 4_095;

/**
 * Lists a tree in git's order, and refuses entries that can't be written to a disk byte for byte or have misleading names.
 * @param hasPlainNames - also refuses names with control characters
 * @throws BaseUnavailableError with the path and the rule; GitError when objects are missing
 */
export async function readTree(
  source: { readonly gitDir: string; readonly tree: string },
  how: { readonly limits: TreeLimits; readonly hasPlainNames: boolean },
  signal: AbortSignal,
): Promise<readonly TreeEntry[]> {
  const entries: TreeEntry[] = [];
  const leaves = new Set<string>();
  const folders = new Map<string, string>(); // and a path in it
  let room = how.limits.bytes;
  let names = 0;
  const take = (record: string) => {
    const entry = entryOf(record);
    const fault = faultOfPath(entry.path, how.hasPlainNames) ?? (leaves.has(entry.path) ? "is there twice" : undefined);
    if (fault !== undefined) throw refused(entry.path, fault);
    if (entry.kind === "link" && (entry.sizeBytes === 0 || entry.sizeBytes > linkBytes))
      throw refused(entry.path, `is a link of ${entry.sizeBytes} bytes, and a link has 1 to ${linkBytes}`);
    if (entry.sizeBytes > how.limits.fileBytes)
      throw refused(
        entry.path,
        `has ${entry.sizeBytes} bytes, and at most ${how.limits.fileBytes} are taken of a file`,
      );
    leaves.add(entry.path);
    room -= entry.sizeBytes;
    entries.push(entry);
    if (entries.length > how.limits.files) throw tooLarge(`more than ${how.limits.files} files`);
    if (room < 0) throw tooLarge(`more than ${how.limits.bytes} bytes`);
    names += entry.path.length;
    if (names > namesBytes) throw tooLarge(`paths of more than ${namesBytes} bytes together`);
    for (let at = entry.path.lastIndexOf("/"); at > 0; at = entry.path.lastIndexOf("/", at - 1)) {
      const folder = entry.path.slice(0, at);
      if (folders.has(folder)) break;
      folders.set(folder, entry.path);
    }
    if (folders.size > how.limits.files) throw tooLarge(`more than ${how.limits.files} folders`);
  };
  const read = (stdout: Readable) => eachRecord(stdout, take);
  await runGit(["ls-tree", "-r", "-z", "--long", "--full-tree", source.tree], {
    gitDir: source.gitDir,
    read,
    maxOutputBytes: outputBytes,
    timeoutMs,
    signal,
  });
  for (const [folder, path] of folders)
    if (leaves.has(folder)) throw refused(path, "lies in what is a file or link of the same tree");
  return entries;
}

/**
 * Says why a path is not put on a disk.
 * @param path - one latin1 character a byte
 */
export function faultOfPath(path: string, hasPlainNames: boolean): string | undefined {
  if (path.length > pathBytes) return `has ${path.length} bytes, and at most ${pathBytes} are taken`;
  for (const name of path.split("/")) {
    if (name === "" || name === "." || name === "..") return 'has an empty part, "." or ".."';
    if (name.length > nameBytes) return `has a part of ${name.length} bytes, and a name has at most ${nameBytes}`;
    const text = Buffer.from(name, "latin1").toString("utf8");
    if (isGitFolder(text)) return "has a part that some file system takes for .git";
    if (hasPlainNames && /\p{Cc}/u.test(text)) return "has a control character";
  }
  return undefined;
}

/** Names that some file system takes for `.git`: by case, ignorable code points (HFS+), short names, trailing dots and streams (NTFS), backslash as a separator. */
function isGitFolder(name: string): boolean {
  return name
    .replace(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, "")
    .split("\\")
    .some((part) => /^(\.git|git~1)[. ]*(:.*)?$/is.test(part));
}

/** Format: `<mode> <type> <object> <size>\t<path>`, the size padded on its left. */
function entryOf(record: string): TreeEntry {
  const tab = record.indexOf("\t");
  const path = record.slice(tab + 1);
  const [mode = "", , blob = "", size = ""] = record.slice(0, tab).split(/ +/);
  if (mode === "160000")
    throw new BaseUnavailableError(
      `the tree has the submodule "${shown(path)}", whose files are in another repository`,
      "submodules are not supported: keep the files in the repository, or work on the submodule's repository itself",
    );
  const kind = mode === "120000" ? "link" : /^100[0-7]{3}$/.test(mode) ? fileKindOf(mode) : undefined;
  if (kind === undefined) throw refused(path, `has the mode ${mode}, which no file has`);
  return { kind, blob, sizeBytes: Number(size), path };
}

const fileKindOf = (mode: string) => ((Number.parseInt(mode, 8) & 0o100) === 0 ? "file" : "program");

async function eachRecord(stdout: Readable, take: (record: string) => void): Promise<void> {
  let rest = "";
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    const records = (rest + chunk.toString("latin1")).split("\0");
    rest = records.pop() ?? "";
    for (const record of records) take(record);
  }
}

function refused(path: string, fault: string): BaseUnavailableError {
  return new BaseUnavailableError(
    `the path "${shown(path)}" of the tree ${fault}`,
    "rename or remove it in the repository, then start again",
  );
}

function tooLarge(fault: string): BaseUnavailableError {
  return new BaseUnavailableError(`the tree has ${fault}`, "work on a smaller repository");
}

const shownCharacters = 200;
const shown = (path: string) => shownText(Buffer.from(path, "latin1").toString("utf8"), shownCharacters);
