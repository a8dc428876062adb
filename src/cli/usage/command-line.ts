import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { cloneDir, defaultStateDir } from "../clone.ts";

/**
 * @returns a command line that works in another terminal in this folder
 * @param stateDir - folder of the stack, if the command needs one
 */
export function commandLine(
  words: readonly string[],
  scope: { readonly tenant: string; readonly org: string } | undefined,
  stateDir: string = defaultStateDir,
): string {
  const tenant = scope === undefined ? [] : ["--tenant", scope.tenant, "--org", scope.org];
  const state = stateDir === defaultStateDir ? [] : ["--state", stateDir];
  return [programAsTyped(), ...[...words, ...tenant, ...state].map(quote)].join(" ");
}

/** @returns how to call this program from this folder: with npx where npx finds the clone, else by its path */
export function programAsTyped(from: string = process.cwd()): string {
  return npmRootOf(from) === cloneDir ? "npx automation" : quote(join(cloneDir, "automation"));
}

/** @returns the folder whose programs npx runs: the nearest one upwards with a package */
function npmRootOf(folder: string): string {
  if (["package.json", "node_modules"].some((name) => existsSync(join(folder, name)))) return folder;
  const above = dirname(folder);
  return above === folder ? folder : npmRootOf(above);
}

/** @returns the word, quoted for a POSIX shell */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
