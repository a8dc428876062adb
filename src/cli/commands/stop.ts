import type { Command } from "commander";
import { identify, lives } from "../../../local/engines/process-identity.ts";
import { waitUntil } from "../../../local/engines/wait-until.ts";
import { requireRunningStack } from "../../../local/up/running-stack.ts";
import { CliError } from "../cli-error.ts";
import { jsonText, print } from "../show/terminal.ts";

/** `up` itself takes at most 10 s; a busy machine longer. */
const stopLimitMs = 60_000;

/** `automation stop`: Ctrl-C for a stack that runs in the background. */
export function registerStop(program: Command): void {
  program
    .command("stop")
    .description("end the local stack, wherever it was started, and wait until it has ended; its data stays")
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .action(async ({ state: dir, json }: { state?: string; json?: boolean }) => {
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
    });
}
