import type { RunJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { Principal } from "../tenancy/request-context.ts";
import { isUuid } from "../tenancy/uuid.ts";
import type { InRun } from "./in-run.ts";
import { UnknownRunError } from "./in-run.ts";
import { insertCancel } from "./run-command-store.ts";
import type { WorkflowIdOf } from "./run-json.ts";
import { runToJson } from "./run-json.ts";
import { assertOpen } from "./run-status.ts";

export type CancelRun = (
  request: { readonly runId: string; readonly reason: string },
  who: Principal,
) => Promise<RunJson>;

/**
 * Requests that a run ends CANCELLED, in any phase before its end is committed. The request, the command for its workflow and the event are written in one transaction. A repeated call changes nothing.
 * @throws UnknownRunError, RunEndedError
 */
export function createCancelRun(deps: {
  readonly inRun: InRun;
  readonly newId: () => string;
  readonly now: () => Date;
  readonly workflowIdOf: WorkflowIdOf;
  /** A command is due. */
  readonly onCommand: () => void;
}): CancelRun {
  return async ({ runId, reason }, { tenant, org, subject }) => {
    if (!isUuid(runId)) throw new UnknownRunError(runId);
    const cancelled = await deps.inRun({ tenant, org, runId }, async (open) => {
      const { run, transaction } = open;
      assertOpen(run);
      const cancel = run.cancel ?? { principal: subject, reason, at: deps.now().toISOString() };
      if (run.desiredState !== "CANCEL") {
        const why = reason === "" ? "" : `: ${reason}`;
        await Promise.all([
          insertCancel(transaction, { tenant, runId, commandId: deps.newId(), generation: run.generation, cancel }),
          open.append([{ writerKey: "cancel", message: { text: `${subject} asks to cancel${why}` } }]),
        ]);
      }
      return runToJson(
        { ...open.run, desiredState: "CANCEL", cancel, lastSequence: open.head.lastSequence },
        deps.workflowIdOf,
      );
    });
    deps.onCommand();
    return cancelled;
  };
}
