import canonicalize from "canonicalize";
import type { CaptureJson, IncrementEvidenceJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { KeptFile } from "../activities/upload-work.ts";

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
