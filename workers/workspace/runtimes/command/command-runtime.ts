import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cutText } from "../../../../src/text/strangers-text.ts";
import type { BoxEnd, Sandbox } from "../../sandbox/sandbox.ts";
import { faultOfResults } from "../check-result.ts";
import type { Bundle, Runtime } from "../runtime.ts";
import type { StepEnd } from "../step-end.ts";
import { describeExit, forcedEnd } from "../step-end.ts";
import type { Listen } from "./listen.ts";
import { graceMs } from "./run-command.ts";
import type { Said } from "./run-events.ts";

type Verdict = Pick<StepEnd, "cause" | "reason" | "limit">;

const protocol = "run-events/1";
const reasonUnits = 1_000;
const done: Verdict = { cause: "", reason: "" };

/**
 * Runs a persona of runtime `command`: it gets its task as a file and speaks `run-events/1`; see docs/personas.md. Its exit code says how it ended, and its result must meet the
 * schema of its manifest. A persona that speaks for the host, or meets a limit, fails whatever its exit code is.
 * The result throws SandboxError when there can be no box, and what `tell` throws.
 * @param deps.secrets - values that must not be shown
 */
export function createCommandRuntime(deps: {
  readonly sandbox: Sandbox;
  readonly listen: Listen;
  readonly secrets: () => readonly string[];
}): Runtime {
  return async ({ stepId, slot, bundle, workspace, home, taskDir, task, limits }, tell, signal) => {
    const taskFile = join(taskDir, "task.json");
    await writeFile(taskFile, `${JSON.stringify({ protocol, ...task }, undefined, 2)}\n`);
    await chmod(taskFile, 0o444);
    const forging = new AbortController();
    const listener = deps.listen({ stepId, secrets: deps.secrets(), tell, onForged: () => forging.abort() });
    try {
      const end = await deps.sandbox.run(
        {
          slot,
          argv: bundle.manifest.runtime?.command?.argv ?? [],
          cwd: "/workspace",
          env: { RUN_EVENTS_FD: "3", TASK_FILE: "/task/task.json" },
          mounts: [
            { hostPath: workspace, path: "/workspace", mode: "rw" },
            { hostPath: bundle.path, path: "/persona", mode: "ro" },
            { hostPath: taskDir, path: "/task", mode: "ro" },
          ],
          home,
          hasChannel: true,
          limits,
          graceMs,
        },
        listener,
        AbortSignal.any([signal, forging.signal]),
      );
      const { said, log, lastLine } = await listener.end();
      const verdict = await judge(end, said, lastLine, bundle);
      return {
        state: verdict.cause === "" ? "STEP_STATE_DONE" : "STEP_STATE_FAILED",
        ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
        ...verdict,
        log,
        transcript: said.transcript,
      };
    } finally {
      listener.close();
    }
  };
}

async function judge(end: BoxEnd, said: Said, lastLine: string, bundle: Bundle): Promise<Verdict> {
  if (said.forged !== undefined)
    return {
      cause: "protocol_error",
      reason: `it sent an event of type "${said.forged}", which only the host may send; a persona may send message, plan, tool.requested, tool.started, tool.output, tool.completed, artifact, progress and one last result`,
    };
  const forced = forcedEnd(end);
  if (forced !== undefined) return forced;
  const message = cutText(said.lastMessage, reasonUnits);
  switch (end.exitCode) {
    case 0: {
      const fault = await faultOfResults(said.results, bundle);
      return fault === undefined ? done : { cause: "invalid_result", reason: fault };
    }
    case 10:
      return { cause: "needs_human", reason: message || "a human has to decide; it does not say what" };
    case 20:
      return { cause: "gave_up", reason: message || "it gave up; it does not say why" };
    case 30:
      return { cause: "limit_exceeded", reason: message || "it met a limit of its own; it does not say which" };
    default: {
      const last = message || lastLine;
      return { cause: "step_failed", reason: `it ${describeExit(end)}${last === "" ? "" : `; it said last: ${last}`}` };
    }
  }
}
