import { objectKeyOf, sha256Hex } from "../artifacts/blobs.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import { sizeOf } from "../artifacts/upload-rules.ts";
import type { RunRow } from "../runs/run-store.ts";
import type { WorkFindings } from "./evaluate-work.ts";
import { evaluateWork } from "./evaluate-work.ts";
import { lineOf } from "./exit-gate/check-patch.ts";
import type { ReportedWork } from "./work-report-store.ts";

/** Reported work, and what of it was found to hold when its objects were read again. */
export interface ExaminedWork extends ReportedWork, WorkFindings {
  /** sha256 of the objects that were read and are what they should be. */
  readonly intact: ReadonlySet<string>;
}

/**
 * Judges a run's work by its objects, read again from the store. An object that is gone or altered is no error here: it is told in the findings, and the run can be ended on them.
 * @param work - absent: nothing was reported, which proves nothing
 */
export async function examineWork(
  objects: Pick<ObjectStore, "read">,
  run: Pick<RunRow, "tenant" | "org" | "pins">,
  work: ReportedWork = { report: {}, uploads: [] },
): Promise<ExaminedWork> {
  const intact = new Set<string>();
  const sizes = new Map(work.uploads.map((upload) => [upload.sha256, sizeOf(upload)]));
  const read = async (sha256: string): Promise<Uint8Array> => {
    const bytes = (await objects.read(objectKeyOf(run, sha256), sizes.get(sha256) ?? 0)) ?? new Uint8Array();
    if (sha256Hex(bytes) === sha256) intact.add(sha256);
    return bytes;
  };
  const findings = await evaluateWork(work, run.pins?.policy ?? {}, oneAtATime(read));
  return { ...work, ...findings, lines: [stepsDone(work), ...findings.lines], intact };
}

function stepsDone({ report: { outcome, cause = "", reason = "" } }: ReportedWork) {
  const why = outcome === undefined ? "no work was reported" : [cause, reason].filter((part) => part !== "").join(": ");
  return lineOf("steps-done", outcome === "WORK_OUTCOME_DONE" ? [] : [why], {
    met: "every step of the plan was done",
    remedy: "See the log of the step that is named here; resolve what stopped it and ask for a new run.",
  });
}

/** So that one object is held at a time, and not all of a run's. */
function oneAtATime<T>(work: (of: string) => Promise<T>): (of: string) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (of) => {
    const next = last.then(() => work(of));
    last = next.catch(() => undefined);
    return next;
  };
}
