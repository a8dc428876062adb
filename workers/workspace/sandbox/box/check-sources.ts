import type { Stats } from "node:fs";
import { lstatSync, realpathSync } from "node:fs";
import type { BoxSpec } from "../sandbox.ts";
import { SandboxError } from "../sandbox-errors.ts";

type User = { readonly uid: number; readonly gid: number };

/**
 * Checks the paths of the host that a box is given.
 * @param user - the host user of the box
 * @throws SandboxError for a path with a link in it, for a socket path that is no socket, and for a socket that the box could not connect to
 */
export function checkSources({ home, mounts, sockets = [] }: BoxSpec, user: User): void {
  for (const path of [home, ...mounts.map(({ hostPath }) => hostPath)]) refuseLinks(path);
  for (const { hostPath } of sockets) {
    refuseLinks(hostPath);
    const found = lstatSync(hostPath);
    if (!found.isSocket()) throw new SandboxError(`"${hostPath}" can't be given to a box as a socket: it is none`);
    if (!mayWrite(found, user))
      throw new SandboxError(
        `the socket "${hostPath}" can't be given to a box: its user ${user.uid} may not connect to it; chown it to the owner of the box's slot`,
      );
  }
}

/** A link would let the box see another place of the host. */
function refuseLinks(path: string): void {
  if (!path.startsWith("/") || realpathSync(path) !== path || lstatSync(path).isSymbolicLink())
    throw new SandboxError(`"${path}" can't be mounted: it must be an absolute path without links`);
}

/** Connecting to a socket needs write permission on it (unix(7)). */
function mayWrite({ mode, uid, gid }: Stats, user: User): boolean {
  if (uid === user.uid) return (mode & 0o200) !== 0;
  return (mode & (gid === user.gid ? 0o020 : 0o002)) !== 0;
}
