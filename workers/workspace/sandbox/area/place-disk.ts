import { statSync } from "node:fs";
import { mkdir, rmdir, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { lastWords } from "../../../../src/text/strangers-text.ts";
import { runProgram } from "../../host/run-program.ts";
import { RunAreaError } from "../sandbox-errors.ts";
import { isRoot } from "../slots.ts";
import { hasOwnMounts } from "./own-mounts.ts";
import { mountsBelow } from "./reap-leftovers.ts";

const blockBytes = 4_096;
const inodeBytes = 256;
const mebibyte = 1_048_576;
/** ext4 reserves a fiftieth of a file system for itself, at most this much. */
const mostReserved = 16 * mebibyte;
const spareInodes = 256;
const trialBytes = 4 * mebibyte;

/** $1: mount point, $2: bytes, $3: inodes. The image file is deleted at the end, so nothing is left after the unmount. No journal and no barriers: it need not survive a crash. */
const make = `image=$1.img
trap 'rm -f -- "$image"' EXIT
truncate --size "$2" -- "$image"
mkfs.ext4 -q -F -b ${blockBytes} -I ${inodeBytes} -N "$3" -m 0 -O ^has_journal,^resize_inode -E nodiscard,root_owner=0:0 -- "$image"
mount -t ext4 -o loop,nosuid,nodev,noatime,noinit_itable,nobarrier -- "$image" "$1"
rmdir -- "$1/lost+found"`;

/** EXT4_IOC_SHUTDOWN without a flush: drops data that nobody needs any more instead of writing it. */
const end = `open my $top, "<", $ARGV[0] or die "$ARGV[0]: $!\\n";
my $noFlush = pack "L", 2;
ioctl $top, 0x8004587d, $noFlush;
close $top;
exec "umount", "--lazy", "--", $ARGV[0]`;

/**
 * Mounts a new file system whose room and number of files (4 KiB each) end just above a limit.
 * @param at - empty folder
 * @throws RunAreaError when it can't be made
 */
export async function mountDisk(at: string, limitBytes: number, signal: AbortSignal): Promise<void> {
  const inodes = Math.ceil(limitBytes / blockBytes) + spareInodes;
  const reserved = Math.min(limitBytes / 50, mostReserved);
  const bytes = Math.ceil((limitBytes * (1 + 1 / 64) + reserved + inodes * inodeBytes + 2 * mebibyte) / blockBytes);
  const argv = ["sh", "-ec", make, "disk", at, String(bytes * blockBytes), String(inodes)];
  const made = await runProgram(argv, signal);
  if (made.exitCode !== 0)
    throw unusable(at, `can't be given a file system of its own: ${lastWords(made.stderr, 500)}`);
  const { bavail, bsize, ffree } = await statfs(at);
  if (bavail * bsize < limitBytes || ffree * blockBytes < limitBytes)
    throw unusable(at, "has less room than its limit");
}

/** Whether a folder lies on a file system of its own, not on that of the run area. */
export const isOnOwnDisk = (folder: string, runsDir: string): boolean => statSync(folder).dev !== statSync(runsDir).dev;

/** Whether a file system has no room or no files left. */
export async function isFull(at: string): Promise<boolean> {
  const { bavail, bsize, ffree } = await statfs(at);
  return bavail * bsize < mebibyte || ffree === 0;
}

/**
 * Writes cached data to the area's disk. If that disk has no room, the data is lost, and only this call reports it.
 * @throws RunAreaError when something was lost
 */
export async function settleDisk(at: string, signal: AbortSignal): Promise<void> {
  const settled = await runProgram(["sync", "--file-system", "--", at], signal);
  if (settled.exitCode !== 0) throw unusable(at, `lost what was written to it: ${lastWords(settled.stderr, 500)}`);
}

/** Unmounts what is mounted at a path or below it. */
export async function unmountDisks(path: string, signal: AbortSignal): Promise<void> {
  const mounts = (await mountsBelow(dirname(path))).filter((mount) => `${mount}/`.startsWith(`${path}/`));
  for (const mount of mounts.reverse()) {
    const ended = await runProgram(["perl", "-e", end, "--", mount], signal);
    if (ended.exitCode !== 0) throw unusable(mount, `can't be unmounted: ${lastWords(ended.stderr, 500)}`);
  }
}

/** Tries to mount a file system. @returns why places of the area can't have their own; undefined when they can */
export async function faultOfDisks(root: string, signal: AbortSignal): Promise<string | undefined> {
  if (!isRoot()) return "the worker is not root";
  if (!hasOwnMounts()) return "the worker has no mount namespace of its own";
  const trial = join(root, "trial");
  await mkdir(trial, { recursive: true });
  try {
    await mountDisk(trial, trialBytes, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return (error as Error).message.replaceAll(root, "");
  } finally {
    await unmountDisks(trial, signal);
    await rmdir(trial);
  }
}

const unusable = (path: string, why: string) => new RunAreaError("run_area_unusable", path, `"${path}" ${why}`);
