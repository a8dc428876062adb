import { create, fromJson } from "@bufbuild/protobuf";
import pg from "pg";
import { createDecideByDeclarations } from "../../../src/definitions/declarations.ts";
import { createPublishVersion } from "../../../src/definitions/publish-definition.ts";
import { createPutRepository } from "../../../src/definitions/put-repository.ts";
import { createInScope } from "../../../src/drivers/postgres/in-scope.ts";
import type { AutomationPlanJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { RunEventJson } from "../../../src/gen/automation/v1/run_event_pb.ts";
import { RunRequestedSchema } from "../../../src/gen/automation/v1/run_requested_pb.ts";
import type { WorkReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { RepositorySchema } from "../../../src/gen/workflows_runtime/v1/repository_pb.ts";
import type { WorkFaultJson } from "../../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { WorkEventJson } from "../../../src/gen/workflows_runtime/v1/work_event_pb.ts";
import type { ReportWorkflowStatusRequestJson } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import {
  PublishWorkflowVersionRequestSchema,
  ReportWorkflowStatusRequestSchema,
  StartWorkflowRunRequestSchema,
} from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { createAcceptCall } from "../../../src/requests/accept-call.ts";
import { createStartRun } from "../../../src/requests/start-run.ts";
import { createCancelRun } from "../../../src/runs/cancel-run.ts";
import { createDescribeRun } from "../../../src/runs/describe-run.ts";
import { createInRun } from "../../../src/runs/in-run.ts";
import { createBeginRun } from "../../../src/work/begin-run.ts";
import { createCompleteWork } from "../../../src/work/complete-work.ts";
import { createReportStatus } from "../../../src/work/report-status.ts";
import { aPrincipal, aRequest, declare, runs, scopeOf, workspaces } from "../builders/declared.ts";
import { borrowEngines } from "../engines/borrow-engines.ts";
import { createDatabase } from "../engines/database.ts";
import { startCapabilityOf } from "./api.ts";

const tenant = "acme";
export const execution = { generation: 1, firstExecutionRunId: "first" };
export const workflowIdOf = () => "workflow";
/** What the hand-off of every run waits for. */
export const unanswered = "scrum RecordItemDone: away";

export type Said = Omit<ReportWorkflowStatusRequestJson, "attempt"> & {
  readonly attempt?: number;
  readonly segment?: number;
};
export type Reporting = Awaited<ReturnType<typeof startReporting>>;

/** Runs that are begun and reported on, over a real Postgres with the api's role. The definition `work` has one step. */
export async function startReporting() {
  const engines = await borrowEngines({ postgres: true });
  const database = await createDatabase(engines.postgres.url);
  const superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 2 });
  superuser.on("error", () => undefined);
  const state = { ahead: 0 };
  const now = () => new Date(Date.now() + state.ahead * 1_000);
  const inScope = createInScope(database.poolOf("api"));
  const inRun = createInRun({ inScope, now });
  await declare(inScope, tenant);
  await createPutRepository({ inScope, bounds: { hosts: ["github.com"], roots: [] } })(
    fromJson(RepositorySchema, { id: "shop", url: "https://github.com/acme/shop", defaultRef: "main" }),
    aPrincipal(tenant),
  );
  const publish = async (definitionId: string, plan: AutomationPlanJson): Promise<void> => {
    const steps = [{ id: "build", command: { argv: ["make"] } }];
    const version = { definitionId, version: "1", channel: "stable" };
    const asked = { ...version, plan: { repository: { id: "shop" }, steps, ...plan } };
    await createPublishVersion({ inScope })(fromJson(PublishWorkflowVersionRequestSchema, asked), aPrincipal(tenant));
  };
  await publish("work", {});

  const beginRun = async (
    runId: string,
    number?: number,
    { fault, segment = 1, generation = 1 }: { fault?: WorkFaultJson; segment?: number; generation?: number } = {},
  ) => {
    const deps = { inRun, now, onBegun: () => undefined, onForgery: () => undefined };
    const forgery = { tenant, org: "retail", principal: "worker", action: "", outcome: "", correlationId: "" };
    const startCapability = await startCapabilityOf(superuser, runId);
    return createBeginRun(deps)(
      { ...scopeOf(tenant), runId, execution: { ...execution, generation } },
      { attempt: number === undefined ? undefined : { segment, number }, fault, startCapability, forgery },
    );
  };
  return {
    /** `ahead`: how many seconds the api's clock is ahead. */
    tenant,
    superuser,
    inScope,
    inRun,
    state,
    publish,
    beginRun,
    /** A run for which an execution speaks. @returns its id */
    begunRun: async (definition = "work", more: object = {}): Promise<string> => {
      const start = createStartRun(
        createAcceptCall({
          inScope,
          decideByDeclarations: createDecideByDeclarations(),
          newId: () => crypto.randomUUID(),
          now,
          operator: { knownRoles: [], workspaces, runs },
        }),
      );
      const about = { definition: { id: definition }, workKind: "other", ...more };
      const request = fromJson(RunRequestedSchema, aRequest(about));
      const asked = create(StartWorkflowRunRequestSchema, { requestId: crypto.randomUUID(), request });
      const { runId } = await start(asked, aPrincipal(tenant), {});
      await beginRun(runId);
      return runId;
    },
    /** As an attempt at the first segment; without one, as the workflow. */
    report: (runId: string, { attempt: number, segment = 1, ...said }: Said, speaks = execution) =>
      createReportStatus({ inScope, inRun, now, unansweredTry: async () => unanswered })(
        { ...scopeOf(tenant), runId, execution: speaks },
        fromJson(ReportWorkflowStatusRequestSchema, {
          ...said,
          ...(number === undefined ? {} : { attempt: { segment, number } }),
        }),
      ),
    /** Divides the run's work into these segments, each with the one step of the plan: so far every plan is one segment. */
    divide: (runId: string, segments: readonly number[]) =>
      superuser.query("update runs set pins = pins || $2 where run_id = $1", [
        runId,
        { segments: segments.map((segment) => ({ segment, stepIds: ["build"] })) },
      ]),
    /** Work that left nothing. */
    complete: (runId: string, report: WorkReportJson) =>
      createCompleteWork({
        inRun,
        now,
        objects: { digestOf: async () => undefined },
        examine: async () => ({}),
        baseUri: "https://proof.example",
      })({ ...scopeOf(tenant), runId, execution }, { report, uploads: [] }, AbortSignal.timeout(10_000)),
    cancel: (runId: string) =>
      createCancelRun({ inRun, newId: () => crypto.randomUUID(), now, workflowIdOf, onCommand: () => undefined })(
        { runId, reason: "" },
        aPrincipal(tenant),
      ),
    describeRun: async (runId: string) =>
      (await createDescribeRun({ inScope, workflowIdOf })(scopeOf(tenant), runId)).run,
    eventsOf: async (runId: string) => {
      const { rows } = await superuser.query<{ event: RunEventJson }>(
        "select event from run_events where run_id = $1 order by sequence",
        [runId],
      );
      return rows.map(({ event }) => event);
    },
    async stop() {
      await superuser.end();
      await database.close();
      await engines.stop();
    },
  };
}

export const message = (n: number, text = `line ${n}`): WorkEventJson => ({
  n: String(n),
  message: { text, stepId: "build" },
});
