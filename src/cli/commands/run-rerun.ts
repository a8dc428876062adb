import { randomUUID } from "node:crypto";
import type { Argument, Command } from "commander";
import { Disposition } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { RerunWorkflowRunResponseSchema } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { wholeRunId } from "../ask/whole-id.ts";
import { printMessage } from "../show/output.ts";
import { print } from "../show/terminal.ts";

interface RerunOptions extends ScopeOptions {
  newest?: boolean;
  requestId?: string;
  watch?: boolean;
}

/** `automation run rerun`: asks once more for what an ended run was asked for. */
export function defineRerun(run: Command, runArgument: Argument): void {
  const command = run
    .command("rerun")
    .description("request what an ended run was asked for once more, with the versions that it had")
    .addArgument(runArgument)
    .option("--newest", "decide anew, by the rules, channels and newest versions of today")
    .option("--request-id <id>", "id of the request: the same id again returns the same run; default: a new id")
    .option("--watch", "follow the new run until it ends; exit 0 when it COMPLETED, else 1");
  withScope(command).action((named: string, { newest = false, requestId = randomUUID(), ...options }: RerunOptions) =>
    withApi(options, "operator", async (api, { json }) => {
      const runId = await wholeRunId(api, named);
      const again = await api.workflows.rerunWorkflowRun({ runId, requestId, newest });
      if (json) printMessage(RerunWorkflowRunResponseSchema, again);
      else {
        const known = again.disposition === Disposition.DUPLICATE ? ", which was there" : "";
        print(`run ${again.runId}${known} repeats run ${runId} (request ${requestId})`);
      }
      if (!options.watch) return;
      const { watchRun } = await import("./run-watch.ts");
      await watchRun(api, again.runId, 0n, json);
    }),
  );
}
