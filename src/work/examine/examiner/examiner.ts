import { objectKeyOf } from "../../../artifacts/blobs.ts";
import type { ObjectStore } from "../../../artifacts/object-store.ts";
import type { WorkFindingsJson } from "../../../gen/automation/v1/work_findings_pb.ts";
import type { RunRow } from "../../../runs/run-store.ts";
import { sizeOf } from "../../upload-rules.ts";
import type { ReportedWork } from "../../work-report-store.ts";
import { unexaminable } from "../examine-work.ts";
import { createFairTurns } from "./fair-turns.ts";
import type { ExaminerLimits } from "./run-examiner.ts";
import { ExaminerCrashError, runExaminer } from "./run-examiner.ts";

export type Examine = (
  run: Pick<RunRow, "tenant" | "org" | "pins">,
  work: ReportedWork,
  signal: AbortSignal,
) => Promise<WorkFindingsJson>;

/** Three at once, two of one tenant at most: 1.5 GiB of memory together. */
const turns = { atOnce: 3, ofOne: 2, waitingOfOne: 16 };

/**
 * Examines work, each case in a process with limits, a few at once, in fair turns of the tenants. A case that exceeds a limit, or crashes the process twice, can't be examined: that is a finding,
 * not an exception.
 * @returns a function that throws NoTurnError, the signal's reason, and what the store throws
 */
export function createExaminer(deps: {
  readonly objects: Pick<ObjectStore, "read">;
  readonly limits: ExaminerLimits;
}): Examine {
  const takeTurn = createFairTurns(turns);
  return ({ tenant, org, pins }, work, signal) => {
    const sizes = new Map(work.uploads.map((upload) => [upload.sha256, sizeOf(upload)]));
    const read = (sha256: string, until: AbortSignal) =>
      deps.objects.read(objectKeyOf({ tenant, org }, sha256), sizes.get(sha256) ?? 0, until);
    const examine = () => runExaminer({ work, policy: pins?.policy ?? {} }, read, deps.limits, signal);
    return takeTurn(tenant, signal, async () => {
      const examined = await examine().catch((error: unknown) => {
        if (error instanceof ExaminerCrashError) return examine().catch(asBreach);
        throw error;
      });
      return "breach" in examined ? unexaminable(work, examined.breach) : examined.findings;
    });
  };
}

function asBreach(error: unknown): { readonly breach: string } {
  if (error instanceof ExaminerCrashError) return { breach: error.message };
  throw error;
}
