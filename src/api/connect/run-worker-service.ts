import type { DescMethod } from "@bufbuild/protobuf";
import { create, toJson } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { WorkReportJson } from "../../gen/automation/v1/run_work_pb.ts";
import { UploadSchema, WorkReportSchema } from "../../gen/automation/v1/run_work_pb.ts";
import type { Execution } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { AttemptIdSchema } from "../../gen/workflows_runtime/v1/run_pb.ts";
import {
  AbortSealResponseSchema,
  CommitSealResponseSchema,
  CompleteArtifactUploadsResponseSchema,
  CreateArtifactUploadsResponseSchema,
  DeliverHandoffResponseSchema,
  PrepareSealResponseSchema,
  RunWorkerService,
  WorkFaultSchema,
} from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { createAbortSeal } from "../../seal/abort/abort-seal.ts";
import { abortedEndOf } from "../../seal/abort/aborted-end.ts";
import type { createCommitSeal } from "../../seal/commit-seal.ts";
import { createFinishSeal } from "../../seal/finish-seal.ts";
import type { createDeliverHandoff } from "../../seal/handoff/deliver-handoff.ts";
import type { createPrepareSeal } from "../../seal/prepare-seal.ts";
import type { SealScope } from "../../seal/run-so-far.ts";
import type { BeginRun } from "../../work/begin-run.ts";
import type { createCompleteWork } from "../../work/complete-work.ts";
import type { createGrantUploads } from "../../work/grant-uploads.ts";
import { answerOf } from "./answer-of.ts";
import { executionScopeOf } from "./execution-scope.ts";
import { auditEntry } from "./interceptors/audit.ts";
import { correlationIdKey, principalOf } from "./interceptors/request-context.ts";
import { createRunningCalls } from "./running-calls.ts";

export interface RunWorkerServiceDeps {
  readonly beginRun: BeginRun;
  readonly grantUploads: ReturnType<typeof createGrantUploads>;
  readonly completeWork: ReturnType<typeof createCompleteWork>;
  readonly prepareSeal: ReturnType<typeof createPrepareSeal>;
  readonly deliverHandoff: ReturnType<typeof createDeliverHandoff>;
  readonly commitSeal: ReturnType<typeof createCommitSeal>;
  readonly abortSeal: ReturnType<typeof createAbortSeal>;
}

/** Calls with the same key are repetitions of one call. */
function keyOf(
  { name }: DescMethod,
  { tenant, org, runId, execution }: SealScope,
  { segment = 0, attempt = 0 }: Pick<WorkReportJson, "segment" | "attempt"> = {},
): string {
  const { generation, firstExecutionRunId } = execution;
  return JSON.stringify([name, tenant, org, runId, generation, firstExecutionRunId, segment, attempt]);
}

/** The worker's side of a run. Each call names its run and execution, in the tenant and org of the caller. */
export function createRunWorkerService(deps: RunWorkerServiceDeps): ServiceImpl<typeof RunWorkerService> {
  const joinCall = createRunningCalls();
  const joined = <T>(
    request: { readonly execution?: Execution },
    context: HandlerContext,
    work: (scope: SealScope, signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const scope = executionScopeOf(request, context);
    return joinCall(keyOf(context.method, scope), context.signal, (signal) => work(scope, signal));
  };
  const { deliverHandoff, commitSeal } = RunWorkerService.method;
  const finishSeal = createFinishSeal({
    prepareSeal: deps.prepareSeal,
    deliverHandoff: (scope, signal, fresh) =>
      joinCall(keyOf(deliverHandoff, scope), signal, (joint) => deps.deliverHandoff(scope, joint, fresh)),
    commitSeal: (scope, signal, fresh) =>
      joinCall(keyOf(commitSeal, scope), signal, (joint) => deps.commitSeal(scope, joint, fresh)),
  });
  return {
    beginRun: (request, context) => {
      const { attempt, startCapability } = request;
      const fault = request.fault === undefined ? undefined : toJson(WorkFaultSchema, request.fault);
      const correlationId = context.values.get(correlationIdKey);
      const { beginRun } = RunWorkerService.method;
      const forgery = auditEntry(principalOf(context), beginRun, "wrong_start_capability", correlationId);
      return deps.beginRun(executionScopeOf(request, context), { attempt, fault, startCapability, forgery });
    },
    createArtifactUploads: async (request, context) => {
      const { attempt = create(AttemptIdSchema), uploads } = request;
      const named = { attempt, uploads: uploads.map((upload) => toJson(UploadSchema, upload)) };
      const answer = await deps.grantUploads(executionScopeOf(request, context), named);
      return answerOf(CreateArtifactUploadsResponseSchema, answer);
    },
    completeArtifactUploads: async (request, context) => {
      const report = request.report === undefined ? {} : toJson(WorkReportSchema, request.report);
      const uploads = request.uploads.map((upload) => toJson(UploadSchema, upload));
      const scope = executionScopeOf(request, context);
      const answer = await joinCall(keyOf(context.method, scope, report), context.signal, (signal) =>
        deps.completeWork(scope, { report, uploads }, signal),
      );
      return answerOf(CompleteArtifactUploadsResponseSchema, answer);
    },
    prepareSeal: async (request, context) => {
      const prepare = async (scope: SealScope, signal: AbortSignal) => (await deps.prepareSeal(scope, signal)).answer;
      return answerOf(PrepareSealResponseSchema, await joined(request, context, request.finish ? finishSeal : prepare));
    },
    deliverHandoff: async (request, context) => {
      const { answer } = await joined(request, context, deps.deliverHandoff);
      return answerOf(DeliverHandoffResponseSchema, answer);
    },
    commitSeal: async (request, context) =>
      answerOf(CommitSealResponseSchema, await joined(request, context, deps.commitSeal)),
    abortSeal: async (request, context) => {
      const end = abortedEndOf(request);
      const answer = await joined(request, context, (scope, signal) => deps.abortSeal(scope, end, signal));
      return answerOf(AbortSealResponseSchema, answer);
    },
  };
}
