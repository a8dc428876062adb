import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastWords } from "../../../src/text/strangers-text.ts";
import { faultOfPath } from "../repo/tree-entries.ts";
import type { BoxEnd, Sandbox } from "../sandbox/sandbox.ts";
import type { Fingerprint } from "./fingerprint.ts";

/** No exact tree could be made of a workspace. */
export class CaptureError extends Error {
  override readonly name = "CaptureError";
  readonly code = "capture_failed";
  constructor(reason: string, options?: ErrorOptions) {
    super(`the workspace could not be captured: ${reason}`, options);
  }
}

/** Kinds of records in a listing. From `special` on, they say why something can't be taken. */
export type ListedKind = (typeof listedKinds)[number];
const listedKinds = [
  "file",
  "program",
  "link",
  "folder",
  "gone",
  "special",
  "unreadable",
  "too_deep",
  "too_many",
  "bad_name",
  "git_folder",
] as const;

/** Kinds whose path the host uses. */
const takenKinds: ReadonlySet<ListedKind> = new Set(["file", "program", "link", "folder"]);

/** One entry of a workspace that differs from the fingerprint. */
export interface Listed {
  readonly kind: ListedKind;
  readonly sizeBytes: number;
  /** From the workspace's root, one latin1 character a byte; empty is the root itself. */
  readonly path: string;
}

export interface ListAsked {
  /** Paths of the base; only what is not among them counts against `entries`. */
  readonly tracked: Iterable<string>;
  readonly fingerprint: Fingerprint;
  /** Folders that are not listed. */
  readonly left: readonly string[];
  readonly entries: number;
  readonly depth: number;
}

/** Takes the bytes of the files it was promised, one after the other. */
export interface ReadSink {
  readonly begin: (file: Listed) => Promise<void>;
  readonly bytes: (chunk: Buffer) => Promise<void>;
}

export interface Enumerate {
  /** @throws CaptureError, SandboxError, the signal's reason */
  list(asked: ListAsked, signal: AbortSignal): Promise<readonly Listed[]>;
  /** Files, programs and links of a listing, in the order given. @throws CaptureError when one is not as it was listed; SandboxError, the signal's reason */
  read(wanted: readonly Listed[], sink: ReadSink, signal: AbortSignal): Promise<void>;
}

const program = fileURLToPath(new URL("./enumerate.mjs", import.meta.url));
/** So that a path fits below any run area (`PATH_MAX` is 4,096), and names alone fill no memory. */
const pathBytes = 3_072;
const nameBytes = 64 * 1024 * 1024;
const recordBytes = 64;
const slackBytes = 1024 * 1024;
const boxLimits = {
  memoryBytes: 1024 * 1024 * 1024,
  processes: 64,
  diskBytes: 64 * 1024 * 1024,
  timeMs: 180_000,
  idleMs: 60_000,
};
const shownErrorBytes = 2_000;
const shownErrorChunks = 16;

/**
 * Lists and reads one workspace from inside boxes, with a program of ours and the workspace read-only. Nothing else may run in it meanwhile.
 * @param at - `given`: a host folder to be made, through which the box is told what to do
 */
export function createEnumerate(
  sandbox: Sandbox,
  at: { readonly slot: number; readonly workspace: string; readonly home: string; readonly given: string },
): Enumerate {
  const give = async (files: Readonly<Record<string, string>>) => {
    await mkdir(at.given, { recursive: true });
    await chmod(at.given, 0o755); // the box's user must be able to read it, also with a strict umask
    await copyFile(program, join(at.given, "enumerate.mjs"));
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(at.given, name), text, "latin1");
      await chmod(join(at.given, name), 0o644);
    }
    await chmod(join(at.given, "enumerate.mjs"), 0o644);
  };
  const run = async (
    command: "list" | "read",
    outputBytes: number,
    onStdout: (chunk: Buffer) => void | Promise<void>,
    signal: AbortSignal,
  ) => {
    const errors: Buffer[] = [];
    const end = await sandbox.run(
      {
        slot: at.slot,
        argv: ["/opt/node/bin/node", "/capture/enumerate.mjs", command, "/workspace", "/capture"],
        cwd: "/",
        env: {},
        mounts: [
          { hostPath: at.workspace, path: "/workspace", mode: "ro" },
          { hostPath: at.given, path: "/capture", mode: "ro" },
        ],
        home: at.home,
        hasChannel: false,
        limits: { ...boxLimits, outputBytes },
        graceMs: 0,
      },
      { onStdout, onStderr: (chunk) => void (errors.length < shownErrorChunks && errors.push(chunk)) },
      signal,
    );
    signal.throwIfAborted();
    if (end.exitCode !== 0) throw new CaptureError(`${command} ended with ${shown(end)}: ${tail(errors)}`);
  };

  return {
    async list({ tracked, fingerprint, left, entries, depth }, signal) {
      const known = [...tracked].map((path) => {
        const { inode, changedNs } = fingerprint.get(path) ?? { inode: 0n, changedNs: 0n };
        return `${inode} ${changedNs} ${path}\0`;
      });
      const limits = { entries, nameBytes, depth, pathBytes };
      const trackedText = known.join("");
      await give({
        tracked: trackedText,
        left: left.map((path) => `${path}\0`).join(""),
        "limits.json": JSON.stringify(limits),
      });
      const chunks: Buffer[] = [];
      const outputBytes = trackedText.length * 2 + (nameBytes + entries * recordBytes) * 2 + slackBytes;
      await run("list", outputBytes, (chunk) => void chunks.push(chunk), signal);
      return recordsOf(Buffer.concat(chunks).toString("latin1"));
    },

    async read(wanted, sink, signal) {
      await give({ wanted: wanted.map(({ kind, sizeBytes, path }) => `${kind} ${sizeBytes} ${path}\0`).join("") });
      const frames = createFrames(wanted, sink);
      const total = wanted.reduce((sum, { sizeBytes }) => sum + sizeBytes + recordBytes, slackBytes);
      await run("read", total, frames.take, signal);
      frames.end();
    },
  };
}

/** @throws CaptureError when a record is not one that the program writes, or the last one is missing */
function recordsOf(text: string): readonly Listed[] {
  const records = text.split("\0").map((record): Listed | undefined => {
    const [kind = "", size = ""] = record.split(" ", 2);
    const known = listedKinds.find((each) => each === kind);
    const path = record.slice(kind.length + size.length + 2);
    if (known === undefined || (takenKinds.has(known) && faultOfPath(path, false) !== undefined)) return undefined;
    return { kind: known, sizeBytes: Number(size), path };
  });
  const listed = records.slice(0, -2); // without the end record and the empty text after its NUL
  const fault = listed.indexOf(undefined);
  if (!/(^|\0)end \d+ \0$/.test(text) || fault !== -1)
    throw new CaptureError("the listing of the workspace is incomplete");
  return listed.filter((each) => each !== undefined);
}

/** Parses the stream of `read`: for each file a line with its size, then its bytes; at last a line `end`. */
function createFrames(wanted: readonly Listed[], sink: ReadSink) {
  let next = 0;
  let missing = 0;
  let line = "";
  let isEnded = false;
  const fault = () => new CaptureError("the content of the workspace is not what was listed");
  const take = async (chunk: Buffer): Promise<void> => {
    for (let rest = chunk; rest.length > 0; ) {
      if (missing > 0) {
        const part = rest.subarray(0, missing);
        missing -= part.length;
        rest = rest.subarray(part.length);
        await sink.bytes(part);
        continue;
      }
      const feed = rest.indexOf(0x0a);
      line += rest.toString("latin1", 0, feed === -1 ? rest.length : feed);
      if (isEnded || line.length > recordBytes) throw fault();
      if (feed === -1) return;
      rest = rest.subarray(feed + 1);
      const file = wanted[next];
      if (line !== (file === undefined ? "end" : String(file.sizeBytes))) throw fault();
      line = "";
      next += 1;
      if (file === undefined) {
        isEnded = true;
        continue;
      }
      missing = file.sizeBytes;
      await sink.begin(file);
    }
  };
  return {
    take,
    end() {
      if (!isEnded) throw fault();
    },
  };
}

function shown({ exitCode, signal, limit }: BoxEnd): string {
  if (limit !== undefined) return `its limit of ${limit.name} (${limit.limit})`;
  return signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`;
}

const tail = (chunks: readonly Buffer[]) => lastWords(Buffer.concat(chunks).toString("utf8"), shownErrorBytes).trim();
