import { statfs } from "node:fs/promises";

/** No work begins with less free space than a twentieth of the file system, or 512 MiB if that is less. */
const leastBytes = 512 * 1024 ** 2;
/** The same for free files (inodes): a hundredth, or 10,000 if that is less. */
const leastFiles = 10_000;

/**
 * Says what a file system lacks for work to begin.
 * @param times - how many times the minimum must be free; more than once, so that a worker that starts again does not stop at once
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
