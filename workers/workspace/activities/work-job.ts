import type { RunScope } from "../../../src/drivers/temporal/contract.ts";
import type { AutomationPlanJson } from "../../../src/gen/automation/v1/automation_plan_pb.ts";
import type { RunRequestedJson } from "../../../src/gen/automation/v1/run_requested_pb.ts";
import type { RunPinsJson, SandboxReportJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { Tell } from "../runtimes/step-end.ts";

/** One attempt at a run's work: what is asked, in which box, and where to say what happens. */
export interface Job {
  readonly scope: RunScope;
  /** From 1. */
  readonly attempt: number;
  readonly plan: AutomationPlanJson;
  readonly pins: RunPinsJson;
  readonly request: RunRequestedJson;
  readonly sandbox: SandboxReportJson;
  readonly slot: number;
  readonly tell: Tell;
}
