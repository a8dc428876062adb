import type { MessageInitShape } from "@bufbuild/protobuf";
import { enumToJson } from "@bufbuild/protobuf";
import { RunStatus, RunStatusSchema } from "../gen/automation/v1/run_event_pb.ts";
import { DesiredState } from "../gen/workflows_runtime/v1/run_pb.ts";
import type {
  ReportWorkflowStatusRequest,
  ReportWorkflowStatusResponseSchema,
} from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { InRun, OpenRun } from "../runs/in-run.ts";
import { UnknownRunError } from "../runs/in-run.ts";
import { assertOpen } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import { findRun, keepBaseCommit, setWaiting } from "../runs/run-store.ts";
import { assertSpeaksFor } from "../runs/speaker.ts";
import { appendWorkEvents } from "../runs/stream/append-work-events.ts";
import type { EventDraft } from "../runs/stream/chain-events.ts";
import type { InScope, Transaction } from "../tenancy/transaction.ts";
import { isUuid } from "../tenancy/uuid.ts";
import { answerLimits } from "./answer-limits.ts";
import type { WorkScope } from "./late-attempt.ts";
import { assertAttempt } from "./late-attempt.ts";
import { draftWorkEvents } from "./reported-events.ts";
import { InvalidReportError } from "./work-report-rules.ts";

export type ReportStatus = (
  scope: WorkScope,
  report: Pick<ReportWorkflowStatusRequest, "attempt" | "events" | "status" | "baseCommit">,
) => Promise<MessageInitShape<typeof ReportWorkflowStatusResponseSchema>>;

/**
 * Takes what a worker reports of a run, and tells it what the run shall do.
 *
 * Without an attempt it is the workflow that asks: the answer also says whether a limit of time has passed. An attempt at the work reports: its events are appended, once each; RUNNING moves the run on
 * the first time; the first base commit stays. A report of a late attempt, after the work or after the end is refused whole.
 * @throws UnknownRunError, UnknownSegmentError, SupersededExecutionError, RunEndedError, InvalidReportError, InvalidEventError; nothing was written
 */
export function createReportStatus(deps: {
  readonly inScope: InScope;
  readonly inRun: InRun;
  readonly now: () => Date;
  /** The try of a run's hand-off that has no answer yet, with its last error; undefined when there is none. */
  readonly unansweredTry: (transaction: Transaction, tenant: string, runId: string) => Promise<string | undefined>;
}): ReportStatus {
  return async (scope, report) => {
    const { tenant, runId, execution } = scope;
    if (!isUuid(runId)) throw new UnknownRunError(runId);
    const { attempt, events, status, baseCommit } = report;
    if (attempt === undefined) {
      if (events.length > 0 || status !== RunStatus.UNSPECIFIED || baseCommit !== "")
        throw new InvalidReportError("events, status and base_commit are an attempt's to report; name it in attempt");
      return deps.inScope(scope, async (transaction) => {
        const run = await findRun(transaction, tenant, runId);
        if (run === undefined) throw new UnknownRunError(runId);
        assertSpeaksFor(run, execution);
        assertOpen(run);
        const waitsFor =
          run.status === "SEALING" ? await deps.unansweredTry(transaction, tenant, runId) : run.waiting?.reason;
        return { ...answerOf(run, run.baseCommit), ...answerLimits(run, deps.now(), waitsFor) };
      });
    }
    if (status !== RunStatus.UNSPECIFIED && status !== RunStatus.RUNNING)
      throw new InvalidReportError(
        `status ${enumToJson(RunStatusSchema, status)} can't be reported; report RUNNING or none`,
      );
    const drafts = draftWorkEvents(events, execution.generation, attempt);
    return deps.inRun(scope, async (open) => {
      assertSpeaksFor(open.run, execution);
      await assertAttempt(open, attempt);
      const kept =
        baseCommit === "" ? open.run.baseCommit : await keepBaseCommit(open.transaction, open.run, baseCommit);
      await appendWorkEvents(open, drafts);
      await noteWaiting(open, drafts);
      if (status === RunStatus.RUNNING && open.run.status === "PREPARING")
        await open.moveTo("RUNNING", `work/${execution.generation}/${attempt.segment}/${attempt.number}/running`);
      return answerOf(open.run, kept);
    });
  };
}

/** An event about a step or a prepared workspace says that the work no longer waits. */
async function noteWaiting(open: OpenRun, drafts: readonly EventDraft[]): Promise<void> {
  const last = drafts.findLast(({ waiting, step, workspace }) => (waiting ?? step ?? workspace) !== undefined);
  if (last === undefined || (last.waiting === undefined && open.run.waiting === null)) return;
  await setWaiting(open.transaction, open.run, last.waiting ?? null);
}

function answerOf({ desiredState }: RunRow, baseCommit: string | null | undefined) {
  return {
    desiredState: desiredState === "CANCEL" ? DesiredState.CANCEL : DesiredState.RUN,
    baseCommit: baseCommit ?? "",
  };
}
