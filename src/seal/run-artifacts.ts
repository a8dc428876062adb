import { randomUUID } from "node:crypto";
import type { ArtifactRow } from "../artifacts/artifact-store.ts";
import { objectKeyOf } from "../artifacts/blobs.ts";
import type { ObjectDigest } from "../artifacts/object-store.ts";
import type { UploadJson } from "../gen/automation/v1/run_work_pb.ts";
import { eventLogMediaType, eventLogName } from "../proof/statements/event-log.ts";
import { sizeOf } from "../work/upload-rules.ts";

/** The artifacts of a run: its closed event log and the objects of its work. They are registered when the end is sealed, not before. */
export function runArtifacts(
  run: { readonly tenant: string; readonly org: string; readonly runId: string },
  log: ObjectDigest,
  uploads: readonly UploadJson[],
  at: Date,
): ArtifactRow[] {
  const rowOf = (what: Pick<ArtifactRow, "name" | "kind" | "mediaType" | "sha256" | "sizeBytes">): ArtifactRow => ({
    ...what,
    artifactId: randomUUID(),
    runId: run.runId,
    objectKey: objectKeyOf(run, what.sha256),
    createdAt: at,
  });
  return [
    rowOf({
      sha256: log.sha256,
      sizeBytes: log.sizeBytes,
      name: eventLogName,
      kind: "event_log",
      mediaType: eventLogMediaType,
    }),
    ...uploads.map(({ name = "", kind = "", mediaType = "", sha256 = "", sizeBytes }) =>
      rowOf({ name, kind, mediaType, sha256, sizeBytes: sizeOf({ sizeBytes }) }),
    ),
  ];
}
