import { AlteredObjectError, objectKeyOf } from "../artifacts/blobs.ts";
import { mapAtMost } from "../artifacts/map-at-most.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import type { UploadJson } from "../gen/automation/v1/run_work_pb.ts";
import type { Scope } from "../tenancy/transaction.ts";
import { shownText } from "../text/strangers-text.ts";
import { InvalidUploadsError, sizeOf } from "./upload-rules.ts";

/** An upload that the report names was never stored. */
export class MissingUploadError extends Error {
  override readonly name = "MissingUploadError";
  readonly code = "missing_upload";
  constructor(upload: string, sha256: string) {
    super(
      `upload "${shownText(upload, 80)}": nothing is stored under its sha256 ${sha256}; send it with its grant, then complete`,
    );
  }
}

const readAtOnce = 4;

/**
 * Reads and digests every object again: each must be stored, with the length and the sha256 that were named.
 * @throws MissingUploadError, AlteredObjectError, InvalidUploadsError
 */
export async function verifyUploads(
  objects: Pick<ObjectStore, "digestOf">,
  scope: Scope,
  uploads: readonly UploadJson[],
  signal: AbortSignal,
): Promise<void> {
  const named = [...Map.groupBy(uploads, ({ sha256 = "" }) => sha256)];
  await mapAtMost(readAtOnce, named, async ([sha256, sameBytes]) => {
    const key = objectKeyOf(scope, sha256);
    const found = await objects.digestOf(key, signal);
    if (found === undefined) throw new MissingUploadError(sameBytes[0]?.name ?? "", sha256);
    if (found.sha256 !== sha256) throw new AlteredObjectError(key, found, sha256);
    const other = sameBytes.find((upload) => sizeOf(upload) !== found.sizeBytes);
    if (other !== undefined)
      throw new InvalidUploadsError(
        `upload "${other.name}": size_bytes is ${other.sizeBytes}, stored are ${found.sizeBytes} bytes; say the length of the bytes`,
      );
  });
}
