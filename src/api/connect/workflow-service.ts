import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { PublishVersion } from "../../definitions/publish-definition.ts";
import type { PutRepository } from "../../definitions/put-repository.ts";
import type { ReadDeclared } from "../../definitions/read-declared.ts";
import { Disposition } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { RepositorySchema } from "../../gen/workflows_runtime/v1/repository_pb.ts";
import { RunSchema } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { WorkflowRuleSchema } from "../../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { WorkflowService } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import {
  DescribeWorkflowRunResponseSchema,
  GetWorkflowRuleResponseSchema,
  GetWorkflowVersionResponseSchema,
  ListRepositoriesResponseSchema,
  ListWorkflowDefinitionsResponseSchema,
  ListWorkflowRulesResponseSchema,
  ListWorkflowRuleVersionsResponseSchema,
  ListWorkflowRunsResponseSchema,
  TestWorkflowRuleResponseSchema,
} from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { AnsweredCall } from "../../requests/accept-call.ts";
import type { RerunRun } from "../../requests/rerun-run.ts";
import type { StartRun } from "../../requests/start-run.ts";
import type { TestRule } from "../../requests/test-rule.ts";
import type { TraceContext } from "../../requests/trace-context.ts";
import type { PutRule } from "../../rules/put-rule.ts";
import type { ReadRuleVersions } from "../../rules/read-rule-versions.ts";
import type { RetireRule } from "../../rules/retire-rule.ts";
import type { CancelRun } from "../../runs/cancel-run.ts";
import type { DescribeRun } from "../../runs/describe-run.ts";
import type { ListRuns } from "../../runs/list-runs.ts";
import type { WatchRuns } from "../../runs/stream/watch-run.ts";
import type { createDescribeSeal } from "../../seal/describe-seal.ts";
import type { ReportStatus } from "../../work/report-status.ts";
import { answerOf } from "./answer-of.ts";
import { executionScopeOf } from "./execution-scope.ts";
import { expiryOf, principalOf } from "./interceptors/request-context.ts";

export interface WorkflowServiceDeps {
  readonly publishVersion: PublishVersion;
  readonly putRule: PutRule;
  readonly retireRule: RetireRule;
  readonly readRuleVersions: ReadRuleVersions;
  readonly testRule: TestRule;
  readonly putRepository: PutRepository;
  readonly readDeclared: Pick<ReadDeclared, "version" | "definitions" | "rules" | "repositories">;
  readonly startRun: StartRun;
  readonly rerunRun: RerunRun;
  readonly describeRun: DescribeRun;
  readonly describeSeal: ReturnType<typeof createDescribeSeal>;
  readonly listRuns: ListRuns;
  readonly watchRuns: Pick<WatchRuns, "watch">;
  readonly cancelRun: CancelRun;
  readonly reportStatus: ReportStatus;
  readonly now: () => Date;
}

/** Definitions, rules, repositories and runs. */
export function createWorkflowService(deps: WorkflowServiceDeps): ServiceImpl<typeof WorkflowService> {
  return {
    publishWorkflowVersion: (request, context) => deps.publishVersion(request, principalOf(context)),
    getWorkflowVersion: async ({ definition }, context) => {
      const { id = "", selector } = definition ?? {};
      const named = selector?.case === undefined ? {} : { [selector.case]: selector.value };
      const found = await deps.readDeclared.version(principalOf(context), { id, ...named });
      return answerOf(GetWorkflowVersionResponseSchema, found);
    },
    listWorkflowDefinitions: async (page, context) =>
      answerOf(ListWorkflowDefinitionsResponseSchema, await deps.readDeclared.definitions(principalOf(context), page)),
    putWorkflowRule: ({ rule, expectedVersion }, context) =>
      deps.putRule(rule ?? create(WorkflowRuleSchema), principalOf(context), expectedVersion),
    retireWorkflowRule: ({ id, expectedVersion }, context) =>
      deps.retireRule(id, principalOf(context), expectedVersion),
    getWorkflowRule: async ({ id, version }, context) =>
      answerOf(GetWorkflowRuleResponseSchema, await deps.readRuleVersions.one(principalOf(context), id, version)),
    listWorkflowRuleVersions: async ({ id, ...page }, context) =>
      answerOf(ListWorkflowRuleVersionsResponseSchema, await deps.readRuleVersions.all(principalOf(context), id, page)),
    listWorkflowRules: async (page, context) =>
      answerOf(ListWorkflowRulesResponseSchema, await deps.readDeclared.rules(principalOf(context), page)),
    testWorkflowRule: async ({ rule = create(WorkflowRuleSchema), ...asked }, context) =>
      answerOf(TestWorkflowRuleResponseSchema, await deps.testRule({ ...asked, rule }, principalOf(context))),
    putRepository: async ({ repository }, context) => {
      await deps.putRepository(repository ?? create(RepositorySchema), principalOf(context));
      return {};
    },
    listRepositories: async (page, context) =>
      answerOf(ListRepositoriesResponseSchema, await deps.readDeclared.repositories(principalOf(context), page)),

    startWorkflowRun: async (request, context) => {
      return toldOf(await deps.startRun(request, principalOf(context), traceOf(context)));
    },
    rerunWorkflowRun: async (request, context) =>
      toldOf(await deps.rerunRun(request, principalOf(context), traceOf(context))),
    describeWorkflowRun: async ({ runId }, context) => {
      // the run is read first: a newer seal only adds a verdict, an older one could lack the verdict of an ended run
      const run = await deps.describeRun(principalOf(context), runId);
      const seal = await deps.describeSeal(principalOf(context), runId);
      return answerOf(DescribeWorkflowRunResponseSchema, { ...run, ...seal });
    },
    listWorkflowRuns: async (request, context) =>
      answerOf(ListWorkflowRunsResponseSchema, await deps.listRuns(request, principalOf(context))),
    async *watchWorkflowRun({ runId, afterSequence }, context) {
      const expiry = expiryOf(context, deps.now());
      try {
        const signal = AbortSignal.any([context.signal, expiry.signal]);
        const updates = deps.watchRuns.watch({ who: principalOf(context), runId, afterSequence, signal });
        for await (const update of updates)
          yield "event" in update
            ? { update: { case: "event", value: update.event } }
            : { update: { case: "heartbeat", value: { lastSequence: BigInt(update.heartbeat.lastSequence) } } };
      } finally {
        expiry.forget();
      }
    },
    cancelWorkflowRun: async (request, context) => ({
      run: answerOf(RunSchema, await deps.cancelRun(request, principalOf(context))),
    }),
    reportWorkflowStatus: (request, context) => deps.reportStatus(executionScopeOf(request, context), request),
  };
}

const toldOf = ({ runId, disposition }: AnsweredCall) => ({
  runId,
  disposition: disposition === "accepted" ? Disposition.ACCEPTED : Disposition.DUPLICATE,
});

/** Trace context that a proxy or client may send. */
function traceOf({ requestHeader }: HandlerContext): TraceContext {
  return {
    traceparent: requestHeader.get("traceparent") ?? undefined,
    tracestate: requestHeader.get("tracestate") ?? undefined,
  };
}
