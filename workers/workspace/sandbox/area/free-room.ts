import { statfs } from "node:fs/promises";

/** Below so much free space no work is begun: a twentieth of the file system, and 512 MiB at most. */
const leastBytes = 512 * 1024 ** 2;
/** As many files; a hundredth, and 10,000 at most. */
const leastFiles = 10_000;

/**
 * Says what a file system lacks to be worked on.
 * @param times - how often the least must be free: more, to begin again without ending at once
 * @returns undefined when there is room
 */
export async function faultOfRoom(path: string, times: number): Promise<string | undefined> {
  const { bsize, blocks, bavail, files, ffree } = await statfs(path);
  const bytes = times * Math.min(leastBytes, (blocks * bsize) / 20);
  const inodes = times * Math.min(leastFiles, files / 100);
  const remedy = "remove files there, or give it more room: work goes on by itself";
  if (bavail * bsize < bytes)
    return `the disk of the run area ${path} has ${bavail * bsize} bytes left, and ${Math.ceil(bytes)} are needed; ${remedy}`;
  if (ffree < inodes)
    return `the disk of the run area ${path} can take ${ffree} more files, and ${Math.ceil(inodes)} are needed; ${remedy}`;
  return undefined;
}
