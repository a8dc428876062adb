import type { StepJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { CaptureJson, KeptDocumentJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { readCaptured } from "../capture/read-captured.ts";
import type { StepEnd } from "../runtimes/step-end.ts";
import type { KeptFile } from "./kept-files.ts";
import { sha256Of } from "./kept-files.ts";

const documentBytes = 16 * 1024 * 1024;

/** Reads the file of a document step from the captured tree. @returns the document, or how the step failed */
export async function keepDocument(
  step: StepJson,
  { gitDir, capture }: { readonly gitDir: string; readonly capture: CaptureJson },
  signal: AbortSignal,
): Promise<StepEnd | { readonly kept: KeptDocumentJson; readonly file: KeptFile }> {
  const { path = "", mediaType = "", typeKey = "" } = step.document ?? {};
  const bytes = await readCaptured(gitDir, capture.gitTree ?? "", path, documentBytes, signal);
  if (bytes === undefined)
    return {
      log: Buffer.alloc(0),
      state: "STEP_STATE_FAILED",
      cause: "document_missing",
      reason: `the captured tree holds no regular file ${path} of at most ${documentBytes} bytes; let a step before it write the document there`,
    };
  const kept = { stepId: step.id, path, sha256: sha256Of(bytes), mediaType, typeKey };
  return { kept, file: { name: `documents/${path}`, kind: "document", mediaType, bytes } };
}
