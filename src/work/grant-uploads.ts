import { AlteredObjectError, objectKeyOf } from "../artifacts/blobs.ts";
import { mapAtMost } from "../artifacts/map-at-most.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import type { UploadJson } from "../gen/automation/v1/run_work_pb.ts";
import type {
  CreateArtifactUploadsResponseJson,
  UploadGrantJson,
} from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { InRun } from "../runs/in-run.ts";
import { assertSpeaksFor } from "../runs/speaker.ts";
import type { Scope } from "../tenancy/transaction.ts";
import type { SegmentAttempt, WorkScope } from "./late-attempt.ts";
import { assertAttempt } from "./late-attempt.ts";
import { assertUploads, sizeOf } from "./upload-rules.ts";

const expiresSeconds = 600;
const readAtOnce = 4;

/**
 * Lets a worker store its uploads: each grant accepts exactly the bytes that were named, by sha256 and length, once, within 10 minutes. They are stored under the key of their digest.
 * A stored upload becomes an artifact when the run is sealed.
 * @throws UnknownRunError, UnknownSegmentError, SupersededExecutionError, RunEndedError, InvalidUploadsError, AlteredObjectError
 */
export function createGrantUploads(deps: {
  readonly objects: Pick<ObjectStore, "digestOf" | "grantPut" | "refresh">;
  readonly inRun: InRun;
}) {
  return async (
    scope: WorkScope,
    { attempt, uploads }: { readonly attempt: SegmentAttempt; readonly uploads: readonly UploadJson[] },
  ): Promise<CreateArtifactUploadsResponseJson> => {
    await deps.inRun(scope, async (open) => {
      assertSpeaksFor(open.run, scope.execution);
      await assertAttempt(open, attempt);
    });
    assertUploads(uploads);
    return { grants: await mapAtMost(readAtOnce, uploads, (upload) => grant(deps.objects, scope, upload)) };
  };
}

async function grant(
  objects: Pick<ObjectStore, "digestOf" | "grantPut" | "refresh">,
  scope: Scope,
  upload: UploadJson,
): Promise<UploadGrantJson> {
  const { sha256 = "", mediaType = "" } = upload;
  const key = objectKeyOf(scope, sha256);
  const found = await objects.digestOf(key);
  if (found === undefined) {
    const what = { sha256, sizeBytes: sizeOf(upload), contentType: mediaType, expiresSeconds };
    return { sha256, ...(await objects.grantPut(key, what)) };
  }
  if (found.sha256 !== sha256) throw new AlteredObjectError(key, found, sha256);
  await objects.refresh(key); // the worker relies on it, and no row may name it yet
  return { sha256, present: true };
}
