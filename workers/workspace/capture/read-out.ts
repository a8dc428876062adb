import { Readable } from "node:stream";
import { extract } from "tar-stream";
import type { Sandbox } from "../sandbox/sandbox.ts";

export interface ReadOutAsked {
  readonly slot: number;
  readonly home: string;
  readonly workspace: string;
  /** From the workspace's root. */
  readonly path: string;
  readonly maxBytes: number;
}

/** Bytes of a file, or the reason why there are none. */
export type ReadOut = { readonly bytes: Buffer } | { readonly reason: string };

/** Headers, extended headers with long names, and padding of an archive of one file. */
const archiveSlackBytes = 64 * 1024;
const boxLimits = {
  memoryBytes: 256 * 1024 * 1024,
  processes: 16,
  diskBytes: 64 * 1024 * 1024,
  timeMs: 30_000,
  idleMs: 15_000,
};

/**
 * Reads one regular file of a workspace through an archive that is made in a box: the worker itself opens no path there.
 * A link is not followed; a folder, a special file or one above `maxBytes` is not taken, and the reason says so.
 */
export function createReadOut({
  sandbox,
}: {
  readonly sandbox: Sandbox;
}): (what: ReadOutAsked, signal: AbortSignal) => Promise<ReadOut> {
  return async ({ slot, home, workspace, path, maxBytes }, signal) => {
    const names = path.split("/");
    if (path.includes("\0") || names.some((name) => ["", ".", ".."].includes(name)))
      return { reason: `${path} is not a path below the workspace; name the file from the repository's root` };
    const archive: Buffer[] = [];
    const end = await sandbox.run(
      {
        slot,
        argv: [
          "/usr/bin/tar",
          "--create",
          "--no-recursion",
          "--format=pax",
          "--file=-",
          "--directory=/workspace",
          "--",
          ...placesOf(names),
        ],
        cwd: "/", // the workspace may be unreadable for its own user
        env: {},
        mounts: [{ hostPath: workspace, path: "/workspace", mode: "ro" }],
        home,
        hasChannel: false,
        limits: { ...boxLimits, outputBytes: maxBytes + archiveSlackBytes },
        graceMs: 0,
      },
      { onStdout: (chunk) => void archive.push(chunk), onStderr: () => undefined },
      signal,
    );
    signal.throwIfAborted();
    if (end.limit?.name === "output") return { reason: tooLarge(path, maxBytes) };
    if (end.limit !== undefined) return { reason: `reading ${path} hit the limit of ${end.limit.name}` };
    return await firstFile(archive, path, maxBytes);
  };
}

async function firstFile(archive: readonly Buffer[], path: string, maxBytes: number): Promise<ReadOut> {
  const reader = extract();
  Readable.from(archive).pipe(reader);
  try {
    for await (const entry of reader) {
      const { type, size = 0, name } = entry.header;
      if (type === "symlink") return { reason: `${name} is a symbolic link; write the report itself there` };
      if (type === "directory" && name.length <= path.length) {
        entry.resume(); // a folder on the way
        continue;
      }
      if (type !== "file") return { reason: `${path} is not a regular file but a ${type ?? "thing unknown"}` };
      if (size > maxBytes) return { reason: tooLarge(path, maxBytes) };
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      const bytes = Buffer.concat(chunks);
      return bytes.length === size ? { bytes } : { reason: `${path} could not be read completely` };
    }
  } catch (error) {
    return { reason: `${path} could not be read: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    reader.destroy();
  }
  return { reason: `${path} is not there, or can't be read` };
}

/** The folders on the way, then the file: each becomes an entry that says whether it is a link. */
const placesOf = (names: readonly string[]) => names.map((_, index) => `./${names.slice(0, index + 1).join("/")}`);

const tooLarge = (path: string, maxBytes: number) => `${path} is larger than ${maxBytes} bytes`;
