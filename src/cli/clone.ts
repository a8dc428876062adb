import { join, relative, resolve } from "node:path";

/** Folder of the clone this program runs from. */
export const cloneDir = resolve(import.meta.dirname, "../..");

/** Folder of a local stack, unless another is named. */
export const defaultStateDir = join(cloneDir, ".automation");

/** @returns a path in the clone, relative to the current folder */
export function clonePath(...parts: string[]): string {
  return relative(process.cwd(), join(cloneDir, ...parts)) || ".";
}
