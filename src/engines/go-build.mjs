// @ts-check
/** The one way in which programs are built with Go; plain JavaScript, since it also runs before packages are there. `tool` stands for the program that a folder's go.mod names. */
export const goBuild = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "tool"];
