import type { Server } from "node:http";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { IsolationClass } from "../../../src/gen/automation/v1/policy_pb.ts";
import { RunStatus } from "../../../src/gen/automation/v1/run_event_pb.ts";
import { RunResultSchema } from "../../../src/gen/automation/v1/run_result_pb.ts";
import { LineState } from "../../../src/gen/automation/v1/verdict_pb.ts";
import { DesiredState } from "../../../src/gen/workflows_runtime/v1/run_pb.ts";
import type {
  AbortSealRequest,
  BeginRunResponseSchema,
  CommitSealResponseSchema,
  DeliverHandoffResponseSchema,
  PrepareSealResponseSchema,
} from "../../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { HandoffProgress, RunWorkerService } from "../../../src/gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { ReportWorkflowStatusResponseSchema } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { WorkflowService } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";

type Answer<T> = (context: HandlerContext) => T | Promise<T>;

/** The worker's side of the api as the workflow's tests want it: what it answers to a run is a script, and who asked what is kept. */
export interface Script {
  beginRun: Answer<MessageInitShape<typeof BeginRunResponseSchema>>;
  reportStatus: Answer<MessageInitShape<typeof ReportWorkflowStatusResponseSchema>>;
  prepareSeal: Answer<MessageInitShape<typeof PrepareSealResponseSchema>>;
  deliverHandoff: Answer<MessageInitShape<typeof DeliverHandoffResponseSchema>>;
  commitSeal: Answer<MessageInitShape<typeof CommitSealResponseSchema>>;
  /** May change the result that the asked end gives. */
  abortSeal: Answer<MessageInitShape<typeof RunResultSchema> | undefined>;
}

export interface ScriptedApi {
  readonly url: string;
  /** Answers of one run that differ from a good run's. */
  script(runId: string, answers: Partial<Script>): void;
  /** Calls of a run in order, an abort with its outcome and cause: `abortSeal FAILED verdict_failed`. */
  calls(runId: string): readonly string[];
  aborts(runId: string): readonly AbortSealRequest[];
  /** Resolves when the run has made such a call. */
  called(runId: string, call: string): Promise<void>;
  /** Refuses connections until `open`. */
  shut(): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

export const inAnHour = () => ({ noLimitBefore: timestampFromMs(Date.now() + 3_600_000) });

const workTooLong = { cause: "work_limit_exceeded", reason: "its work took too long" };

/** Script of a run whose limit of time passes so many milliseconds from its begin; negative: nothing begins any more. */
export function limitIn(ms: number, begun: { plan: object; pins?: typeof pins } = { plan: {} }) {
  let dueAt = Number.POSITIVE_INFINITY;
  const limit = () => (Date.now() < dueAt ? { noLimitBefore: timestampFromMs(dueAt) } : { exceededLimit: workTooLong });
  return {
    beginRun: () => {
      dueAt = Date.now() + ms;
      return { ...begun, ...limit() };
    },
    reportStatus: limit,
  } satisfies Partial<Script>;
}

const goodRun: Script = {
  beginRun: () => ({ desiredState: DesiredState.RUN, plan: {}, ...inAnHour() }),
  reportStatus: () => ({ desiredState: DesiredState.RUN }),
  prepareSeal: () => ({ verdict: { passed: true, level: "SCRUM_DONE", lines: [] }, desiredState: DesiredState.RUN }),
  deliverHandoff: () => ({ progress: HandoffProgress.ACCEPTED, desiredState: DesiredState.RUN }),
  commitSeal: () => ({ committed: true }),
  abortSeal: () => undefined,
};

const pins = { isolation: IsolationClass.UID, segments: [{ segment: 1 }] };

/** What BeginRun answers for a plan with steps. */
export const withWork = () => ({
  desiredState: DesiredState.RUN,
  plan: {},
  ...inAnHour(),
  pins,
});

export const failedVerdict = {
  verdict: {
    passed: false,
    lines: [
      { requirementId: "log", state: LineState.MET },
      {
        requirementId: "tests",
        state: LineState.MISSING,
        detail: "0 of 1 test results",
        remedy: "run a plan with a test step",
      },
    ],
  },
};

/** How long an answer hangs that shall never come, unless the caller gives up. */
export const never = async (context: HandlerContext): Promise<never> => {
  await sleep(120_000, undefined, { signal: context.signal });
  throw new Error("nobody gave up");
};

export async function startScriptedApi(): Promise<ScriptedApi> {
  const scripts = new Map<string, Script>();
  const calls = new Map<string, string[]>();
  const aborts = new Map<string, AbortSealRequest[]>();
  const waiting = new Set<() => void>();
  const note = (runId: string, call: string) => {
    calls.set(runId, [...(calls.get(runId) ?? []), call]);
    for (const look of waiting) look();
  };
  const answer =
    <K extends Exclude<keyof Script, "abortSeal">>(name: K) =>
    ({ execution }: { execution?: { runId: string } }, context: HandlerContext) => {
      const runId = execution?.runId ?? "";
      note(runId, name);
      return (scripts.get(runId) ?? goodRun)[name](context) as ReturnType<Script[K]>;
    };
  const handler = connectNodeAdapter({
    fallback: (request, response) => {
      response.writeHead(request.url === "/healthz" ? 200 : 404);
      response.end();
    },
    routes: (router) => {
      router.service(RunWorkerService, {
        beginRun: answer("beginRun"),
        prepareSeal: answer("prepareSeal"),
        deliverHandoff: answer("deliverHandoff"),
        commitSeal: answer("commitSeal"),
        async abortSeal(request, context) {
          const runId = request.execution?.runId ?? "";
          const outcome = Object.entries(RunStatus).find(([, value]) => value === request.outcome)?.[0];
          note(runId, `abortSeal ${outcome} ${request.cause}`);
          aborts.set(runId, [...(aborts.get(runId) ?? []), request]);
          const other = await (scripts.get(runId) ?? goodRun).abortSeal(context);
          const result = create(RunResultSchema, { outcome: request.outcome, reason: request.reason, ...other });
          return { outcome: result.outcome, result };
        },
      });
      router.service(WorkflowService, { reportWorkflowStatus: answer("reportStatus") });
    },
  });
  let server: Server | undefined;
  let port = 0;
  const open = () =>
    new Promise<void>((done) => {
      server = createServer(handler).listen(port, "127.0.0.1", () => {
        const address = server?.address();
        if (typeof address === "object" && address !== null) port = address.port;
        done();
      });
    });
  const shut = () =>
    new Promise<void>((done) => {
      server?.close(() => done());
      server?.closeAllConnections();
    });
  await open();
  return {
    url: `http://127.0.0.1:${port}`,
    script: (runId, answers) => void scripts.set(runId, { ...goodRun, ...answers }),
    calls: (runId) => calls.get(runId) ?? [],
    aborts: (runId) => aborts.get(runId) ?? [],
    called: (runId, call) =>
      new Promise((done) => {
        const look = () => {
          if (!calls.get(runId)?.includes(call)) return;
          waiting.delete(look);
          done();
        };
        waiting.add(look);
        look();
      }),
    open,
    shut,
    close: shut,
  };
}

export const cancelWished = { desiredState: DesiredState.CANCEL };

/** A receiver that has not answered yet. */
export const pending = () => ({ progress: HandoffProgress.PENDING, reason: "scrum is silent" });

/** @returns the calls in their order, a repeated one once */
export const distinct = (calls: readonly string[]) => [...new Set(calls)];
