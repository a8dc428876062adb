import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { TestEngines } from "../engines/engines.ts";
import { freePorts } from "../engines/free-ports.ts";
import type { ScriptedApi } from "./scripted-api.ts";

const program = resolve(import.meta.dirname, "../../../src/cli/automation.ts");

export interface WorkerProcess {
  /** What its readiness says. */
  ready(): Promise<unknown>;
  /** @returns the exit code */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Starts `automation worker control` on a test's Temporal and scripted api. @param environment - more variables, or others */
export async function startControlWorker(
  engines: TestEngines,
  api: ScriptedApi,
  environment: Readonly<Record<string, string>> = {},
): Promise<WorkerProcess> {
  const [port = 0] = await freePorts(1);
  const tokenFile = join(engines.dir, "token");
  writeFileSync(tokenFile, "a-token");
  const worker = spawn(process.execPath, [program, "worker", "control"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      PATH: process.env.PATH,
      AUTOMATION_TEMPORAL_ADDRESS: engines.temporal.address,
      AUTOMATION_TEMPORAL_NAMESPACE: engines.temporal.namespace,
      AUTOMATION_API_URL: api.url,
      AUTOMATION_TOKEN_FILE: tokenFile,
      AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${port}`,
      AUTOMATION_LOG_LEVEL: "error",
      ...environment,
    },
  });
  return {
    ready: async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).json(),
    end: async (signal) => {
      if (worker.exitCode === null && worker.signalCode === null) {
        const exit = once(worker, "exit");
        worker.kill(signal);
        await exit;
      }
      return worker.exitCode;
    },
  };
}
