import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fromJson, toJson } from "@bufbuild/protobuf";
import type { UploadJson, WorkReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { UploadSchema, WorkReportSchema } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Execution } from "../../../src/gen/workflows_runtime/v1/run_pb.ts";
import type { UploadGrant } from "../../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { shownText, storableJson } from "../../../src/text/strangers-text.ts";
import { askApi } from "./ask-api.ts";
import type { RunApi } from "./run-api.ts";

/** Bytes that a run leaves behind, under a name that is unique within it. */
export interface KeptFile {
  readonly name: string;
  readonly kind: string;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** The store did not take an object. */
export class UploadRefusedError extends Error {
  override readonly name = "UploadRefusedError";
  readonly code = "upload_refused";
  constructor(file: string, status: number, answer: string) {
    super(`the store refused ${file} with ${status}: ${shownText(answer, 300)}`);
  }
}

/** Of one call; one that takes longer is asked again and finds the first still running. Below a minute, after which a silent connection is closed. */
const timeoutMs = 50_000;
const putLimitMs = 30_000;
const tries = 4;
const retryAfterMs = 500;
const inFlight = 4;

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/**
 * Stores every file under a grant for its very bytes, then closes the work with its report.
 * @returns the report that stands: this one, or that of an attempt that came first
 * @throws UploadRefusedError, ConnectError
 */
export async function uploadWork(
  api: RunApi,
  execution: Pick<Execution, "runId" | "generation" | "firstExecutionRunId">,
  report: WorkReportJson,
  files: readonly KeptFile[],
  signal: AbortSignal,
): Promise<WorkReportJson> {
  const named = files.map((file) => ({ file, upload: uploadOf(file) }));
  const uploads = named.map(({ upload }) => fromJson(UploadSchema, upload));
  const attempt = report.attempt ?? 1;
  if (named.length > 0) {
    const asked = { execution, attempt, uploads };
    const { grants } = await askApi(() => api.runWorker.createArtifactUploads(asked, { signal, timeoutMs }), signal);
    const puts = named.flatMap(({ file }, index) => {
      const grant = grants[index];
      return grant === undefined || grant.present ? [] : [() => put(grant, file, signal)];
    });
    await inTurn(puts, inFlight);
  }
  const request = { execution, report: fromJson(WorkReportSchema, storableJson(report)), uploads };
  const completed = await askApi(() => api.runWorker.completeArtifactUploads(request, { signal, timeoutMs }), signal);
  return completed.report === undefined ? report : toJson(WorkReportSchema, completed.report);
}

function uploadOf({ name, kind, mediaType, bytes }: KeptFile): UploadJson {
  return { name, kind, mediaType, sha256: sha256Of(bytes), sizeBytes: String(bytes.byteLength) };
}

async function put(grant: UploadGrant, file: KeptFile, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await fetch(grant.url, {
        method: "PUT",
        headers: grant.headers,
        body: file.bytes,
        signal: AbortSignal.any([signal, AbortSignal.timeout(putLimitMs)]),
      });
      // 412: another attempt stored the same bytes, which is all that a key of their digest can hold
      if (answer.ok || answer.status === 412) return;
      const refused = new UploadRefusedError(file.name, answer.status, await answer.text());
      if (answer.status < 500 || attempt === tries) throw refused;
    } catch (error) {
      if (error instanceof UploadRefusedError || signal.aborted || attempt === tries) throw error;
    }
    await sleep(retryAfterMs * attempt, undefined, { signal });
  }
}

async function inTurn(works: readonly (() => Promise<void>)[], atOnce: number): Promise<void> {
  const left = [...works];
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await next();
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}
