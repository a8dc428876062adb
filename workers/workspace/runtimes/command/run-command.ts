import type { BoxLimits, Sandbox } from "../../sandbox/sandbox.ts";
import { createRedactor } from "../redact.ts";
import type { StepEnd, Tell } from "../step-end.ts";
import { describeExit, forcedEnd } from "../step-end.ts";
import type { Listen } from "./listen.ts";

/** From SIGTERM to SIGKILL. */
export const graceMs = 3_000;

export type RunCommand = (
  what: {
    readonly stepId: string;
    readonly slot: number;
    readonly argv: readonly string[];
    /** Host folder, /workspace in the box. */
    readonly workspace: string;
    readonly home: string;
    readonly limits: BoxLimits;
    /** Whether any exit code but 0 fails the step. False for tests, whose report says how they went. */
    readonly expectZero: boolean;
  },
  tell: Tell,
  signal: AbortSignal,
) => Promise<StepEnd>;

/**
 * Runs the program of a `command` or `test` step in the workspace. Its output is told as events and kept as a log.
 * The result throws SandboxError when there can be no box, and what `tell` throws.
 * @param deps.secrets - values that must not be shown
 */
export function createRunCommand(deps: {
  readonly sandbox: Sandbox;
  readonly listen: Listen;
  readonly secrets: () => readonly string[];
}): RunCommand {
  return async ({ stepId, slot, argv, workspace, home, limits, expectZero }, tell, signal) => {
    const secrets = deps.secrets();
    const listener = deps.listen({ stepId, secrets, tell });
    try {
      const end = await deps.sandbox.run(
        {
          slot,
          argv,
          cwd: "/workspace",
          env: {},
          mounts: [{ hostPath: workspace, path: "/workspace", mode: "rw" }],
          home,
          hasChannel: false,
          limits,
          graceMs,
        },
        listener,
        signal,
      );
      const { log, lastLine } = await listener.end();
      const exit = end.exitCode === undefined ? {} : { exitCode: end.exitCode };
      const forced = forcedEnd(end);
      if (forced !== undefined) return { state: "STEP_STATE_FAILED", ...exit, ...forced, log };
      if (end.exitCode === 0 || !expectZero) return { state: "STEP_STATE_DONE", ...exit, cause: "", reason: "", log };
      const program = createRedactor(secrets).text(argv[0] ?? "");
      const reason = `${program} ${describeExit(end)}${lastLine === "" ? "" : `; its last line: ${lastLine}`}`;
      return { state: "STEP_STATE_FAILED", ...exit, cause: "step_failed", reason, log };
    } finally {
      listener.close();
    }
  };
}
