// @ts-check
/** The one way in which programs are built with Go; plain JavaScript, since it also runs before packages are there. */
import { homedir } from "node:os";

/** `tool` stands for the program that a folder's go.mod names. Debug information is left out, which saves a sixth of the time. */
export const goBuild = [
  "-mod=readonly",
  "-trimpath",
  "-buildvcs=false",
  "-gcflags=all=-dwarf=false",
  "-ldflags=-s -w",
  "tool",
];

/**
 * CGO is off, so no C compiler is needed.
 * @param {string} dir - where Go keeps what is unfinished
 * @returns {NodeJS.ProcessEnv}
 */
export const goEnvironment = (dir) => ({ HOME: homedir(), ...process.env, CGO_ENABLED: "0", GOTMPDIR: dir });
