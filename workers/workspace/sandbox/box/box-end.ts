import { constants } from "node:os";
import type { LimitHitJson } from "../../../../src/gen/automation/v1/run_work_pb.ts";
import type { BoxEnd } from "../sandbox.ts";
import { SandboxError } from "../sandbox-errors.ts";
import type { BwrapEnd } from "./start-box.ts";

/**
 * Says how a box ended: with its program's exit code if there is one, else by what ended it from outside.
 * @throws SandboxError when the box could not be made
 */
export function boxEndOf(seen: {
  readonly bwrap: BwrapEnd;
  readonly limit: LimitHitJson | undefined;
  readonly isStopped: boolean;
  readonly isKilled: boolean;
  readonly diskBytes: number;
  readonly stderr: string;
}): BoxEnd {
  const { bwrap, isStopped, isKilled } = seen;
  const exit = bwrap.programCode === undefined ? undefined : exitOf(bwrap.programCode);
  const limit = seen.limit ?? (exit?.signal === "SIGXFSZ" ? fileSizeHit(seen.diskBytes) : undefined);
  const facts = { ...(limit === undefined ? {} : { limit }), isStopped };
  if (exit !== undefined) return { ...exit, ...facts };
  if (isKilled || limit !== undefined || isStopped || bwrap.signal !== null)
    return { signal: bwrap.signal ?? "SIGKILL", ...facts };
  throw new SandboxError(`the box can't be made (bwrap ended with ${bwrap.exitCode}): ${seen.stderr.trim()}`);
}

/** A shell tells a signal as 128 + its number. */
function exitOf(code: number): Pick<BoxEnd, "exitCode" | "signal"> {
  const name = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return name === undefined ? { exitCode: code } : { signal: name };
}

/** A single file reached the limit for all files together. */
const fileSizeHit = (bytes: number): LimitHitJson => ({
  name: "disk",
  mechanism: "hard",
  limit: String(bytes),
  peak: String(bytes),
});
