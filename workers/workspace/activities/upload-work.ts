import { fromJson, toJson } from "@bufbuild/protobuf";
import type { UploadJson, WorkReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { UploadSchema, WorkReportSchema } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Execution } from "../../../src/gen/workflows_runtime/v1/run_pb.ts";
import type { UploadGrant } from "../../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { shownText, storableJson } from "../../../src/text/strangers-text.ts";
import type { KeptFile } from "./kept-files.ts";
import { sha256Of } from "./kept-files.ts";
import type { RunApi } from "./run-api.ts";
import { isFinalAnswer } from "./run-api.ts";
import { untilItPasses } from "./until-it-passes.ts";
import { AwayError } from "./work-failure.ts";

/** The store did not take an object. */
export class UploadRefusedError extends Error {
  override readonly name = "UploadRefusedError";
  readonly code = "upload_refused";
  constructor(file: string, status: number, answer: string) {
    super(`the store refused ${file} with ${status}: ${shownText(answer, 300)}`);
  }
}

/** Limit of one call; after it the call is repeated, and joins the first one if that still runs. Less than a minute, after which idle connections are closed. */
const timeoutMs = 50_000;
const putLimitMs = 30_000;
const inFlight = 4;
const longestPauseMs = 60_000;
/** Answers of a store that may change when the request is repeated. */
const isPassingStatus = (status: number): boolean => status >= 500 || status === 408 || status === 429;

/**
 * Uploads every file, then completes the work with its report. Waits while the store or the api is away: the finished work is worth more than the slot that it occupies.
 * @param onPause - told what is waited for, and for how long until the next try
 * @returns the report that is recorded: this one, or that of an earlier attempt
 * @throws UploadRefusedError, ConnectError; the signal's reason
 */
export async function uploadWork(
  api: RunApi,
  execution: Pick<Execution, "runId" | "generation" | "firstExecutionRunId">,
  report: WorkReportJson,
  files: readonly KeptFile[],
  onPause: (error: unknown, pauseMs: number) => void,
  signal: AbortSignal,
): Promise<WorkReportJson> {
  const named = files.map((file) => ({ file, upload: uploadOf(file) }));
  const uploads = named.map(({ upload }) => fromJson(UploadSchema, upload));
  const attempt = { segment: report.segment, number: report.attempt };
  const isPassing = (error: unknown) => !(error instanceof UploadRefusedError) && !isFinalAnswer(error);
  const patiently = <T>(work: () => Promise<T>) => untilItPasses(work, { isPassing, longestPauseMs, onPause }, signal);
  if (named.length > 0)
    await patiently(async () => {
      const asked = { execution, attempt, uploads };
      const { grants } = await api.runWorker.createArtifactUploads(asked, { signal, timeoutMs });
      const puts = named.flatMap(({ file }, index) => {
        const grant = grants[index];
        return grant === undefined || grant.present ? [] : [() => put(grant, file, signal)];
      });
      await inTurn(puts, inFlight);
    });
  const request = { execution, report: fromJson(WorkReportSchema, storableJson(report)), uploads };
  const completed = await patiently(() => api.runWorker.completeArtifactUploads(request, { signal, timeoutMs }));
  return completed.report === undefined ? report : toJson(WorkReportSchema, completed.report);
}

function uploadOf({ name, kind, mediaType, bytes }: KeptFile): UploadJson {
  return { name, kind, mediaType, sha256: sha256Of(bytes), sizeBytes: String(bytes.byteLength) };
}

/** @throws AwayError when a repetition may succeed, UploadRefusedError when it can't */
async function put(grant: UploadGrant, file: KeptFile, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(putLimitMs)]);
  const request = { method: "PUT", headers: grant.headers, body: file.bytes, signal: limit };
  const answer = await fetch(grant.url, request).catch((cause: unknown) => {
    throw new AwayError("the object store does not answer", { cause });
  });
  // 412: the object exists already, with the same bytes, since its key is their digest
  if (answer.ok || answer.status === 412) return;
  const said = await answer.text().catch(() => "");
  if (isPassingStatus(answer.status)) throw new AwayError(`the object store answers ${answer.status}`);
  throw new UploadRefusedError(file.name, answer.status, said);
}

async function inTurn(works: readonly (() => Promise<void>)[], atOnce: number): Promise<void> {
  const left = [...works];
  const lane = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await next();
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}
