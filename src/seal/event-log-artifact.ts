import { randomUUID } from "node:crypto";
import type { ArtifactRow } from "../artifacts/artifact-store.ts";
import { objectKeyOf } from "../artifacts/blobs.ts";
import type { ObjectDigest } from "../artifacts/object-store.ts";
import { eventLogMediaType, eventLogName } from "../proof/event-log.ts";

/** The closed event log as an artifact of its run; it becomes one when the end is sealed, not before. */
export function eventLogArtifact(
  run: { readonly tenant: string; readonly runId: string },
  { sha256, sizeBytes }: ObjectDigest,
  at: Date,
): ArtifactRow {
  return {
    artifactId: randomUUID(),
    runId: run.runId,
    name: eventLogName,
    mediaType: eventLogMediaType,
    sha256,
    sizeBytes,
    objectKey: objectKeyOf(run.tenant, sha256),
    createdAt: at,
  };
}
