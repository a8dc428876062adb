import { lastWords } from "../../../src/text/strangers-text.ts";
import { runProgram } from "../host/run-program.ts";
import { isRoot } from "../sandbox/slots.ts";
import type { Owner } from "./materialise.ts";

const timeoutMs = 600_000;

/**
 * Copies a prepared tree, sharing blocks where the file system can, and gives the copy to an owner. Links are copied, never followed.
 * @param from - tree that nobody writes to
 * @param to - empty folder that nobody writes to meanwhile; its own mode stays
 * @throws CopyError; the signal's reason
 */
export async function copyTree(from: string, to: string, owner: Owner, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const copy = ["cp", "--recursive", "--no-dereference", "--preserve=mode", "--reflink=auto", "--no-target-directory"];
  const commands = [
    [...copy, "--", from, to],
    ...(isRoot() ? [["chown", "--recursive", "--no-dereference", `${owner.uid}:${owner.gid}`, "--", to]] : []),
    ["chmod", "0700", "--", to],
  ];
  for (const command of commands) {
    const end = await runProgram(command, limit);
    if (end.exitCode !== 0) throw new CopyError(from, end.stderr);
  }
}

/** A tree could not be copied completely, mostly for lack of space. */
class CopyError extends Error {
  override readonly name = "CopyError";
  readonly code = "copy_failed";
  constructor(from: string, stderr: string) {
    super(`"${from}" could not be copied: ${lastWords(stderr, 500).trim()}; look for free space on its disk`);
  }
}
