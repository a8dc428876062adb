import type { UnpackRoom } from "./binary-patch.ts";
import { readBinary, wholeRoom } from "./binary-patch.ts";
import type { PatchChange } from "./patch-change.ts";
import { linkMode, PatchError, submoduleMode } from "./patch-change.ts";
import { PatchLines } from "./patch-lines.ts";
import { readPath, unquote } from "./patch-path.ts";

const modes: ReadonlySet<string> = new Set(["100644", "100755", linkMode, submoduleMode]);

/**
 * Reads the output of `git diff --binary --full-index -M`, file by file, to the last byte. Anything that it does not understand is an error and never skipped: `git apply` might act on it.
 * Format: git's manual pages git-diff, "Generating patch text with -p", and gitformat-patch's binary part (`GIT binary patch`).
 * @param mostFiles - a patch of more is not read to its end
 * @throws PatchError, PatchTooLargeError
 */
export function readPatch(bytes: Uint8Array, mostFiles: number): readonly PatchChange[] {
  const lines = new PatchLines(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1"));
  const room = wholeRoom();
  const changes: PatchChange[] = [];
  while (!lines.isAtEnd) {
    if (changes.length === 2 * mostFiles) throw lines.fault(`it changes more than the ${mostFiles} files reported`);
    changes.push(readFile(lines, room));
  }
  return joined(changes, lines);
}

/** What stands between `diff --git` and the content. */
interface Head {
  oldMode?: string;
  newMode?: string;
  deleted?: string;
  created?: string;
  from?: string;
  to?: string;
  isExact?: boolean;
  /** `<old>..<new>`, 40 digits each, and the mode where it stays. */
  index?: string;
  indexMode?: string;
}

function readFile(lines: PatchLines, room: UnpackRoom): PatchChange {
  const at = lines.number;
  const header = lines.take(/^diff --git (.*)$/, "`diff --git` of the next file")[1] ?? "";
  const head = readHead(lines);
  const names = namesOf(header, head, lines, at);
  const { kind, mode, previousMode } = kindOf(head, lines);
  const path = readPath(kind === "CHANGE_KIND_DELETED" ? names.before : names.after, lines);
  const change = {
    kind,
    path,
    ...(kind === "CHANGE_KIND_RENAMED" ? { previousPath: readPath(names.before, lines) } : {}),
    ...(mode === undefined ? {} : { mode }),
    ...(previousMode === undefined ? {} : { previousMode }),
  };
  return { ...change, ...readContent(lines, head, names, room) };
}

/** The extended header lines, each at most once. */
function readHead(lines: PatchLines): Head {
  const head: Head = {};
  const put = <K extends keyof Head>(key: K, value: Head[K]) => {
    if (head[key] !== undefined) throw lines.fault("a header line stands twice");
    head[key] = value;
  };
  for (;;) {
    const [, key = "", value = ""] =
      lines.tryTake(
        /^(old mode|new mode|deleted file mode|new file mode|similarity index|rename from|rename to|index) (.+)$/,
      ) ?? [];
    if (key === "") return head;
    if (key === "old mode") put("oldMode", value);
    else if (key === "new mode") put("newMode", value);
    else if (key === "deleted file mode") put("deleted", value);
    else if (key === "new file mode") put("created", value);
    else if (key === "rename from") put("from", value);
    else if (key === "rename to") put("to", value);
    else if (key === "similarity index") {
      if (!/^\d{1,3}%$/.test(value)) throw lines.fault("a similarity that is no percentage");
      put("isExact", value === "100%");
    } else {
      const [, range, mode] = /^([0-9a-f]{40}\.\.[0-9a-f]{40})(?: (\d{6}))?$/.exec(value) ?? [];
      if (range === undefined) throw lines.fault("an index line without two full object ids");
      put("index", range);
      if (mode !== undefined) put("indexMode", mode);
    }
  }
}

interface Names {
  /** As bytes (one latin1 character each), without `a/` and `b/`. */
  readonly before: string;
  readonly after: string;
}

/** git's first line can be ambiguous, so it is compared with the names that the other lines give. */
function namesOf(header: string, head: Head, lines: PatchLines, at: number): Names {
  const isRename = head.from !== undefined || head.to !== undefined;
  if (isRename && (head.from === undefined || head.to === undefined || head.isExact === undefined))
    throw lines.fault("a rename without its two names and similarity");
  const half = header.slice(0, (header.length - 1) / 2);
  const [before, after] = isRename ? [head.from ?? "", head.to ?? ""] : [bare(half, "a/"), bare(half, "a/")];
  if (header !== `${prefixed(before, "a/")} ${prefixed(after, "b/")}`)
    throw new PatchError("the names of a file contradict each other", at);
  return { before: unquote(before, lines), after: unquote(after, lines) };
}

/** `a/x` → `x`, `"a/x"` → `"x"`; anything else becomes what no header equals. */
function bare(name: string, prefix: string): string {
  if (name.startsWith(`"${prefix}`)) return `"${name.slice(1 + prefix.length)}`;
  return name.startsWith(prefix) ? name.slice(prefix.length) : "";
}

function prefixed(name: string, prefix: string): string {
  return name.startsWith('"') ? `"${prefix}${name.slice(1)}` : `${prefix}${name}`;
}

function kindOf(head: Head, lines: PatchLines): Pick<PatchChange, "kind" | "mode" | "previousMode"> {
  const said = [head.oldMode, head.newMode, head.deleted, head.created, head.indexMode];
  const odd = said.find((mode) => mode !== undefined && !modes.has(mode));
  if (odd !== undefined) throw lines.fault(`mode ${odd}, which no file of a tree has`);
  if ((head.oldMode === undefined) !== (head.newMode === undefined)) throw lines.fault("only one half of a new mode");
  const isRename = head.from !== undefined;
  const ways = [head.created, head.deleted, isRename ? "renamed" : undefined].filter((way) => way !== undefined);
  if (ways.length > 1 || (ways.length === 1 && !isRename && head.newMode !== undefined))
    throw lines.fault("a file that is new, deleted or renamed at once");
  if (head.created !== undefined) return { kind: "CHANGE_KIND_ADDED", mode: head.created };
  if (head.deleted !== undefined) return { kind: "CHANGE_KIND_DELETED", previousMode: head.deleted };
  const mode = head.newMode ?? head.indexMode;
  const previousMode = head.oldMode ?? head.indexMode;
  if (mode === undefined || previousMode === undefined) {
    if (isRename) return { kind: "CHANGE_KIND_RENAMED" };
    throw lines.fault("a changed file without a mode");
  }
  return { kind: isRename ? "CHANGE_KIND_RENAMED" : "CHANGE_KIND_MODIFIED", mode, previousMode };
}

const emptyBlob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

function readContent(
  lines: PatchLines,
  head: Head,
  names: Names,
  room: UnpackRoom,
): Pick<PatchChange, "added" | "binary"> {
  const [before, after] = head.index?.split("..") ?? [];
  if (lines.tryTake(/^GIT binary patch$/) !== undefined) {
    if (head.index === undefined) throw lines.fault("binary content without an index line");
    return { added: [], binary: readBinary(lines, room) };
  }
  if (lines.tryTake(/^--- /) === undefined) {
    // Nothing follows where nothing but name or mode changed, or where the file is empty.
    const isEmpty = [before, after].every((id) => id === emptyBlob || /^0+$/.test(id ?? ""));
    if (head.index !== undefined && !isEmpty) throw lines.fault("a changed file without its content");
    if (head.index === undefined && head.newMode === undefined && head.isExact !== true)
      throw lines.fault("a file without any change");
    return { added: [] };
  }
  lines.back();
  if (head.index === undefined) throw lines.fault("content without an index line");
  expectName(lines, "--- ", head.created === undefined ? `a/${names.before}` : "/dev/null");
  expectName(lines, "+++ ", head.deleted === undefined ? `b/${names.after}` : "/dev/null");
  return { added: readHunks(lines) };
}

/** A name with a space ends with a tab. */
function expectName(lines: PatchLines, mark: string, expected: string): void {
  const line = lines.next();
  if (!line.startsWith(mark)) throw lines.fault(`\`${mark.trim()}\` is missing`);
  const name = unquote(line.slice(mark.length).replace(/\t$/, ""), lines);
  if (name !== expected) throw lines.fault("the names of a file contradict each other");
}

function readHunks(lines: PatchLines): PatchChange["added"] {
  const added: { line: number; text: string }[] = [];
  const range = /^@@ -\d{1,9}(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@(?: .*)?$/s;
  let hunks = 0;
  for (let found = lines.tryTake(range); found !== undefined; found = lines.tryTake(range)) {
    let [old, fresh, line] = [Number(found[1] ?? 1), Number(found[3] ?? 1), Number(found[2])];
    while (old > 0 || fresh > 0) {
      const text = lines.next();
      const mark = text.charAt(0);
      if (mark === "\\" && text === noNewline) continue;
      if (mark !== " " && mark !== "-" && mark !== "+") throw lines.fault("a line of content with an unknown mark");
      if (mark === "+") added.push({ line, text: Buffer.from(text.slice(1), "latin1").toString() });
      if (mark !== "-") {
        fresh -= 1;
        line += 1;
      }
      if (mark !== "+") old -= 1;
      if (old < 0 || fresh < 0) throw lines.fault("a hunk with more lines than it says");
    }
    lines.tryTake(/^\\ No newline at end of file$/);
    hunks += 1;
  }
  if (hunks === 0) throw lines.fault("a changed file without a hunk");
  return added;
}

const noNewline = "\\ No newline at end of file";

/** A file that became a link, or the other way, stands as deleted and added: one change. Nothing else may name a path twice. */
function joined(changes: readonly PatchChange[], lines: PatchLines): readonly PatchChange[] {
  const byPath = new Map<string, PatchChange>();
  for (const change of changes) {
    const other = byPath.get(change.path);
    const isPair = other?.kind === "CHANGE_KIND_DELETED" && change.kind === "CHANGE_KIND_ADDED";
    if (other !== undefined && !isPair) throw lines.fault("two changes of one path");
    const { previousMode } = isPair ? other : change;
    const kind = isPair ? "CHANGE_KIND_MODIFIED" : change.kind;
    byPath.set(change.path, { ...change, kind, ...(previousMode === undefined ? {} : { previousMode }) });
  }
  return [...byPath.values()];
}
