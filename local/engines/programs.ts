import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { EngineError } from "./error.ts";
import type { Find } from "./find.ts";
import { runProgram } from "./run-program.ts";

/** @returns the path of an executable of that name on PATH, or undefined */
export function findOnPath(program: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/**
 * @param reason - why it is needed: "to build Temporal"
 * @param remedy - how to get it: "install Go 1.25 or newer, https://go.dev/dl"
 * @throws EngineError missing_program
 */
export function requireProgram(engine: string, program: string, reason: string, remedy: string): string {
  const path = findOnPath(program);
  if (path !== undefined) return path;
  throw new EngineError(
    engine,
    "missing_program",
    `${program} is missing, needed ${reason}; ${remedy}, and start again`,
  );
}

/**
 * Looks for a program of an accepted version on PATH; reports and skips other versions.
 * @param accepted - tested against everything that `--version` prints
 */
export async function acceptFromPath(program: string, accepted: RegExp, find: Find): Promise<string | undefined> {
  const path = findOnPath(program);
  if (path === undefined) return undefined;
  const { stdout, stderr } = await runProgram([path, "--version"], { limitMs: 10_000, signal: find.signal });
  const version = `${stdout}\n${stderr}`.trim();
  if (accepted.test(version)) return path;
  find.say(`passing over ${path}: it says "${version.split("\n")[0]}", and another version is needed`);
  return undefined;
}

/**
 * Which version a pinned build file asks for: the text in the first group of `pattern`.
 * @throws Error when the file has no such line
 */
export function pinnedVersion(text: string, pattern: RegExp): string {
  const version = pattern.exec(text)?.[1];
  if (version === undefined) throw new Error(`no version like ${pattern} is pinned`);
  return version;
}
