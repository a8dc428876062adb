import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { CaptureJson, IncrementEvidenceJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { StepEnd } from "../runtimes/step-end.ts";

/** Bytes that a run leaves behind, under a name that is unique within it. */
export interface KeptFile {
  readonly name: string;
  readonly kind: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** @returns `changes.json`: the changes of a capture as RFC 8785 JSON, an array of `Change` */
export function changesFile({ changes = [] }: Pick<CaptureJson, "changes">): KeptFile {
  return jsonFile("changes.json", "change_list", changes);
}

/** @returns `evidence.json`: what a run adds to the increment, by digest, as RFC 8785 JSON */
export function evidenceFile(evidence: IncrementEvidenceJson): KeptFile {
  return jsonFile("evidence.json", "evidence", evidence);
}

function jsonFile(name: string, kind: string, value: unknown): KeptFile {
  return { name, kind, mediaType: "application/json", bytes: Buffer.from(canonicalize(value) ?? "") };
}

/** @returns the log of a step and, of a persona, its transcript; none that is empty */
export function filesOfStep(stepId: string, { log, transcript }: StepEnd): KeptFile[] {
  const files: KeptFile[] = [];
  if (log.byteLength > 0) files.push({ name: `logs/${stepId}.log`, kind: "log", mediaType: "text/plain", bytes: log });
  if (transcript !== undefined)
    files.push({
      name: `transcript/${stepId}.ndjson`,
      kind: "transcript",
      mediaType: "application/x-ndjson",
      bytes: transcript,
    });
  return files;
}
