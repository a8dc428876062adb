import type { CaptureJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Captured, createCaptureTree } from "../capture/capture-tree.ts";
import { CaptureError } from "../capture/enumerate.ts";
import type { Fingerprint } from "../capture/fingerprint.ts";
import { hostFaultOf } from "../host/host-fault.ts";
import type { Base } from "../repo/git-repositories.ts";
import type { Tell } from "../runtimes/step-end.ts";
import type { RunArea } from "../sandbox/area/run-area.ts";
import type { RunFolder } from "../sandbox/area/run-folder.ts";
import { assertRoom } from "./step-record.ts";
import type { Job } from "./work-job.ts";

const captureFiles = 200_000;
const captureDepth = 100;
const captureFileBytes = 64 * 1024 * 1024;

/**
 * Captures what the steps made of the workspace, within the limits of the run's policy, and says so.
 * @returns the capture, or why the work can't be captured
 * @throws HostFaultError, SandboxError, the signal's reason
 */
export async function captureWork(
  deps: {
    readonly area: Pick<RunArea, "faultOfRoom">;
    readonly captureTree: ReturnType<typeof createCaptureTree>;
  },
  job: Job,
  of: {
    readonly base: Base;
    readonly folder: RunFolder;
    readonly workspace: string;
    readonly fingerprint: Fingerprint;
  },
  signal: AbortSignal,
): Promise<Captured | CaptureError> {
  const { base, folder, workspace, fingerprint } = of;
  const captured = await deps
    .captureTree(
      {
        slot: job.slot,
        runId: job.scope.runId,
        repository: { id: job.pins.repository?.id ?? "", ref: job.pins.repository?.ref ?? "" },
        base,
        workspace,
        fingerprint,
        home: await folder.newFolder("capture-home"),
        gitDir: `${folder.dir}/capture.git`,
        limits: {
          files: captureFiles,
          bytes: Number(job.pins.policy?.limits?.diskBytes),
          depth: captureDepth,
          fileBytes: captureFileBytes,
          patchBytes: Number(job.pins.policy?.limits?.patchBytes),
        },
      },
      signal,
    )
    .catch(async (error: unknown) => {
      if (!(error instanceof CaptureError) || hostFaultOf(error) !== undefined) throw error;
      await assertRoom(deps);
      return error;
    });
  if (!(captured instanceof CaptureError)) await job.tell({ captured: capturedEvent(captured.capture) });
  return captured;
}

const capturedEvent = ({
  baseCommit,
  gitCommit,
  gitTree,
  changes = [],
  skipped = [],
  partial,
}: CaptureJson): NonNullable<Parameters<Tell>[0]["captured"]> => ({
  baseCommit,
  gitCommit,
  gitTree,
  changedFiles: changes.length,
  skippedFiles: skipped.length,
  partial,
});
