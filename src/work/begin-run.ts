import { createHash, timingSafeEqual } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { findVersion } from "../definitions/definition-store.ts";
import { AutomationPlanSchema } from "../gen/automation/v1/automation_plan_pb.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import { RunPinsSchema, WorkReportSchema } from "../gen/automation/v1/run_work_pb.ts";
import { DesiredState } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { BeginRunResponseSchema, WorkFaultJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { InRun, OpenRun } from "../runs/in-run.ts";
import { draftRun } from "../runs/run-draft.ts";
import { assertOpen, isEnded } from "../runs/run-status.ts";
import type { RunRow } from "../runs/run-store.ts";
import { admitExecution, findStartCapability } from "../runs/run-store.ts";
import { firstTaskSpan } from "../telemetry/run-spans.ts";
import type { AuditEntry } from "../tenancy/audit-entry.ts";
import { insertAudit } from "../tenancy/audit-store.ts";
import { answerLimits } from "./answer-limits.ts";
import { beginAttempt } from "./begin-attempt.ts";
import type { SegmentAttempt, WorkScope } from "./late-attempt.ts";
import { findWork } from "./work-report-store.ts";

/** A newer version may have written it. */
const stored = { ignoreUnknownFields: true };

export type BeginRun = (
  scope: WorkScope,
  call: {
    /** Which try of which segment a worker takes up; undefined: the workflow begins. */
    readonly attempt: SegmentAttempt | undefined;
    /** How the segment failed before, when that was a fault of ours. */
    readonly fault?: WorkFaultJson | undefined;
    readonly startCapability: string;
    /** Kept when the capability is wrong. */
    readonly forgery: AuditEntry;
  },
) => Promise<MessageInitShape<typeof BeginRunResponseSchema>>;

/**
 * Admits the one execution that speaks for a generation of a run, and hands it the plan with what was pinned. It must know the capability that its workflow was started with; the first
 * one wins, and its repeated call gets the same answer, and the report of its segment once there is one. Any other one, an older
 * generation, and a workflow that begins after the run's end are refused: such an execution ends without effects. After a limit of time nothing begins: the answer names it.
 * @param deps.onBegun - called when a generation has begun: another run may be released
 * @param deps.onForgery - called when the capability is wrong; the audit log has it, too
 * @throws UnknownRunError, UnknownSegmentError; RunEndedError to an attempt
 */
export function createBeginRun(deps: {
  readonly inRun: InRun;
  readonly now: () => Date;
  readonly onBegun: (run: { readonly tenant: string; readonly runId: string }) => void;
  readonly onForgery: (run: { readonly tenant: string; readonly runId: string; readonly principal: string }) => void;
}): BeginRun {
  return async (scope, { attempt, fault, startCapability, forgery }) => {
    const { tenant, runId, execution } = scope;
    let hasBegun = false;
    let isForged = false;
    let waited: { run: RunRow; from: Date; to: Date } | undefined;
    const answer = await deps.inRun(scope, async (open) => {
      const { run, transaction } = open;
      if (run.generation !== execution.generation) return { refused: true };
      if (attempt !== undefined) assertOpen(run);
      if (isEnded(run.status)) return { refused: true };
      const now = deps.now();
      if (!(await admitExecution(transaction, run, { ...execution, startCapability, begunAt: now }))) {
        isForged = !isSame(startCapability, await findStartCapability(transaction, run));
        if (isForged) await insertAudit(transaction, forgery);
        return { refused: true };
      }
      const limits = answerLimits(run, now, run.waiting?.reason);
      const desiredState = run.desiredState === "CANCEL" ? DesiredState.CANCEL : DesiredState.RUN;
      if (limits.exceededLimit !== undefined) return { ...limits, desiredState };
      const [found, stands] = await Promise.all([
        findVersion(transaction, tenant, { id: run.definitionId, version: run.definitionVersion }),
        attempt && findWork(transaction, tenant, runId, attempt.segment),
      ]);
      if (found?.digest !== run.definitionDigest)
        throw new Error(
          `definition ${run.definitionId}@${run.definitionVersion} is not the one that run ${runId} pinned`,
        );
      hasBegun = run.begunAt === null;
      if (hasBegun && run.admittedAt !== null) waited = { run, from: run.admittedAt, to: now };
      if (hasBegun) await sayBegun(open, now);
      const begun = attempt === undefined ? open.run : await beginAttempt(open, attempt, fault, now);
      return {
        desiredState,
        plan: fromJson(AutomationPlanSchema, found.plan, stored),
        ...answerLimits(begun, now),
        request: fromJson(RunRequestedSchema, run.requested, stored),
        ...(run.pins === null ? {} : { pins: fromJson(RunPinsSchema, run.pins, stored) }),
        ...(stands === undefined ? {} : { report: fromJson(WorkReportSchema, stands.report, stored) }),
      };
    });
    if (hasBegun) deps.onBegun({ tenant, runId });
    if (waited !== undefined) firstTaskSpan(waited.run, waited.from, waited.to);
    if (isForged) deps.onForgery({ tenant, runId, principal: forgery.principal });
    return answer;
  };
}

/** Compares in constant time. */
function isSame(told: string, kept: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(told), digest(kept));
}

/** A workflow may begin before the dispatcher has written that it is started. A later generation keeps the status that the run has. */
async function sayBegun(open: OpenRun, at: Date): Promise<void> {
  const writerKey = `begin/${open.run.generation}`;
  const draft = draftRun(open.run, open.head, at);
  if (draft.run.status === "QUEUED") draft.moveTo("ADMITTED", "admit");
  if (draft.run.status === "ADMITTED") draft.moveTo("PREPARING", writerKey);
  else
    draft.append([
      { writerKey, message: { text: `generation ${draft.run.generation} goes on from ${draft.run.status}` } },
    ]);
  await open.write(draft);
}
