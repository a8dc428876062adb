import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";

/**
 * The state of each file of a fresh copy before any program could touch it: path, one latin1 character a byte → inode and change time.
 * Only the kernel sets change times, so a file that still has both is unchanged.
 */
export type Fingerprint = ReadonlyMap<string, { readonly inode: bigint; readonly changedNs: bigint }>;

/** Change times have the resolution of a kernel tick, at most 10 ms: within one tick a file could change without a new time. */
const tickMs = 20;
const atOnce = 256;

/**
 * Looks at every file of a folder that only the host has written to yet. Follows no link.
 * Waits until the kernel tick of the copy is over, so that later changes get another change time.
 * @throws the signal's reason
 */
export async function takeFingerprint(dir: string, signal: AbortSignal): Promise<Fingerprint> {
  const seen = new Map<string, { inode: bigint; changedNs: bigint }>();
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    signal.throwIfAborted();
    const inFolder = folder === "" ? "" : `${folder}/`;
    const entries = await readdir(pathOf(dir, folder), { encoding: "buffer", withFileTypes: true });
    for (let at = 0; at < entries.length; at += atOnce)
      await Promise.all(
        entries.slice(at, at + atOnce).map(async (entry: Dirent<Buffer>) => {
          const path = `${inFolder}${entry.name.toString("latin1")}`;
          if (entry.isDirectory()) return void folders.push(path);
          const { ino, ctimeNs } = await lstat(pathOf(dir, path), { bigint: true });
          seen.set(path, { inode: ino, changedNs: ctimeNs });
        }),
      );
  }
  await wait(tickMs, undefined, { signal });
  return seen;
}

function pathOf(dir: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(path === "" ? dir : `${dir}/`), Buffer.from(path, "latin1")]);
}
