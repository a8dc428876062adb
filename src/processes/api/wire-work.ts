import type { ObjectStore } from "../../artifacts/object-store.ts";
import type { InRun } from "../../runs/in-run.ts";
import { findUnansweredTry } from "../../seal/handoff/wait-for-receiver.ts";
import { beginForged, runBegun } from "../../telemetry/events.ts";
import type { Log } from "../../telemetry/log.ts";
import type { InScope } from "../../tenancy/transaction.ts";
import { createBeginRun } from "../../work/begin-run.ts";
import { createCompleteWork } from "../../work/complete-work.ts";
import { createExaminer } from "../../work/examine/examiner/examiner.ts";
import { examinerLimits } from "../../work/examine/examiner/run-examiner.ts";
import { createGrantUploads } from "../../work/grant-uploads.ts";
import { createBundleUrl } from "../../work/persona-bundle-url.ts";
import { createReportStatus } from "../../work/report-status.ts";

/**
 * A worker's side of a run, until its work is complete.
 * @param deps.onPlaceFree - called when a run begins: it no longer takes a place among those waiting for their workflow
 */
export function wireWork(deps: {
  readonly inScope: InScope;
  readonly inRun: InRun;
  readonly objects: Pick<ObjectStore, "digestOf" | "grantPut" | "read" | "refresh" | "urlFor">;
  /** `proof.baseUri` of the operator. */
  readonly baseUri: string;
  readonly log: Log;
  readonly now: () => Date;
  readonly onPlaceFree: () => void;
}) {
  const { inScope, inRun, objects, baseUri, log, now, onPlaceFree } = deps;
  return {
    beginRun: createBeginRun({
      inRun,
      now,
      onBegun: (run) => {
        onPlaceFree();
        runBegun(log, run);
      },
      onForgery: (run) => beginForged(log, run),
    }),
    reportStatus: createReportStatus({ inScope, inRun, now, unansweredTry: findUnansweredTry }),
    grantUploads: createGrantUploads({ inRun, objects }),
    completeWork: createCompleteWork({
      inRun,
      objects,
      examine: createExaminer({ objects, limits: examinerLimits }),
      baseUri,
      now,
    }),
    bundleUrl: createBundleUrl({ inScope, urlFor: objects.urlFor }),
  };
}
