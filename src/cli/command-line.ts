import { join, relative } from "node:path";
import { cloneDir, defaultStateDir } from "./local-state.ts";

/**
 * @returns a command to print, that works as printed in another terminal in this folder
 * @param stateDir - folder of the stack it is about, when it needs one
 */
export function commandLine(
  words: readonly string[],
  scope: { readonly tenant: string; readonly org: string } | undefined,
  stateDir: string = defaultStateDir,
): string {
  const isInClone = !relative(cloneDir, process.cwd()).startsWith("..");
  const program = isInClone ? ["npx", "automation"] : [join(cloneDir, "automation")];
  const tenant = scope === undefined ? [] : ["--tenant", scope.tenant, "--org", scope.org];
  const state = stateDir === defaultStateDir ? [] : ["--state", stateDir];
  return [...program, ...words, ...tenant, ...state].map(quote).join(" ");
}

/** @returns a path of the clone, as this folder names it */
export function clonePath(...parts: string[]): string {
  return relative(process.cwd(), join(cloneDir, ...parts)) || ".";
}

/** @returns the word as a POSIX shell reads it back */
export function quote(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
