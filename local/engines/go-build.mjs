// @ts-check
/** The one way in which programs are built with Go; plain JavaScript, since it also runs before packages are there. */
import { homedir } from "node:os";

/** `tool` stands for the program that a folder's go.mod names. What only debuggers read is not made: that is a sixth of the work. */
export const goBuild = [
  "-mod=readonly",
  "-trimpath",
  "-buildvcs=false",
  "-gcflags=all=-dwarf=false",
  "-ldflags=-s -w",
  "tool",
];

/**
 * Without C, which none of the programs needs, no compiler of C has to be there.
 * @param {string} dir - where Go keeps what is unfinished
 * @returns {NodeJS.ProcessEnv}
 */
export const goEnvironment = (dir) => ({ HOME: homedir(), ...process.env, CGO_ENABLED: "0", GOTMPDIR: dir });
