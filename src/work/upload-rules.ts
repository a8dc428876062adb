import type { UploadJson } from "../gen/automation/v1/run_work_pb.ts";

/** Uploads that can't be taken; none of them was. */
export class InvalidUploadsError extends Error {
  override readonly name = "InvalidUploadsError";
  readonly code = "invalid_uploads";
}

/** Largest object, bytes. */
export const largestUpload = 64 * 1024 * 1024;
/** Largest sum of a run's objects, bytes. */
const largestWork = 256 * 1024 * 1024;

/** Room for the longest path of a document step. */
const maxNameLength = 520;

/** The names that each kind of upload may have. */
const namesOf: Readonly<Record<string, RegExp>> = {
  patch: /^changes\.patch$/,
  change_list: /^changes\.json$/,
  evidence: /^evidence\.json$/,
  report: /^tests\/./,
  document: /^documents\/./,
  log: /^logs\/./,
  transcript: /^transcript\/./,
};

/**
 * Checks what a worker wants to store: kind, name, media type, sha256 and sizes, as the worker states them.
 * @throws InvalidUploadsError that names the upload, the rule and the remedy
 */
export function assertUploads(uploads: readonly UploadJson[]): void {
  const names = new Set<string>();
  let sum = 0;
  for (const upload of uploads) {
    const fault = faultOf(upload);
    if (fault !== undefined) throw new InvalidUploadsError(`upload ${JSON.stringify(upload.name ?? "")}: ${fault}`);
    const { name = "" } = upload;
    if (names.has(name)) throw new InvalidUploadsError(`upload "${name}": the name is used twice; give each its own`);
    names.add(name);
    sum += sizeOf(upload);
  }
  if (sum > largestWork)
    throw new InvalidUploadsError(
      `the uploads have ${sum} bytes together; at most ${largestWork} are kept of a run: leave logs or transcripts out`,
    );
}

/** @returns the size that the worker states, bytes; NaN if it is no number */
export function sizeOf({ sizeBytes = "0" }: Pick<UploadJson, "sizeBytes">): number {
  return Number(sizeBytes);
}

function faultOf(upload: UploadJson): string | undefined {
  const { name = "", kind = "", mediaType = "", sha256 = "" } = upload;
  const names = namesOf[kind];
  if (names === undefined) return `kind "${kind}" is none of ${Object.keys(namesOf).join(", ")}; name one of them`;
  if (!names.test(name)) return `a ${kind} must be named like ${names.source}; rename it`;
  if (name.length > maxNameLength) return `its name has ${name.length} characters; ${maxNameLength} are allowed`;
  if (!isPlainPath(name)) return 'its name must be a relative path without "..", empty parts or control characters';
  if (!/^[a-z]+\/[a-z0-9.+-]+$/.test(mediaType)) return `media_type "${mediaType}" must be like text/plain`;
  if (!/^[0-9a-f]{64}$/.test(sha256)) return `sha256 "${sha256}" must be 64 lower-case hex digits`;
  const size = sizeOf(upload);
  if (!(size >= 0 && size <= largestUpload))
    return `it has ${size} bytes; an object has at most ${largestUpload}: cut it, or leave it out`;
  return undefined;
}

function isPlainPath(name: string): boolean {
  if (/[\p{Cc}\\]/u.test(name)) return false;
  return name.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
