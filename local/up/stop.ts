import { CliError } from "../../src/cli/cli-error.ts";
import { jsonText, print } from "../../src/cli/show/terminal.ts";
import { identify, lives } from "../engines/process-identity.ts";
import { waitUntil } from "../engines/wait-until.ts";
import { requireRunningStack } from "./running-stack.ts";

/** `up` itself takes at most 10 s; a busy machine longer. */
const stopLimitMs = 60_000;

/** Stops a stack that runs in the background, as Ctrl-C does, and waits for its end. */
export async function stop({ state: dir, json }: { state?: string; json?: boolean }): Promise<void> {
  const state = requireRunningStack(process.cwd(), dir);
  const identity = identify(state.pid);
  if (identity !== undefined) {
    process.kill(identity.pid, "SIGTERM");
    const gone = async () => !lives(identity);
    const limits = { limitMs: stopLimitMs, signal: new AbortController().signal };
    await waitUntil(`the end of process ${identity.pid}`, gone, limits).catch((cause: unknown) => {
      const fault = `process ${identity.pid} of the stack in ${state.dir} has not ended in ${stopLimitMs / 1000} s`;
      throw new CliError(1, fault, {
        remedy: `kill -9 ${identity.pid} ends it, and all of the stack with it`,
        cause,
      });
    });
  }
  print(json ? jsonText({ stopped: state.dir, pid: state.pid }) : `stopped the stack in ${state.dir}`);
}
