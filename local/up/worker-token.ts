import { setTimeout as sleep } from "node:timers/promises";
import { mintToken } from "../issuer/mint-token.ts";
import { writeWhole } from "./ports.ts";
import type { RunningStack } from "./running-stack.ts";

const renewAfterMs = 20 * 60_000;
const retryAfterMs = 10_000;

/** Writes a token for the worker, valid for all tenants, to a file that only its owner may read. */
export async function writeWorkerToken(
  state: Pick<RunningStack, "dir" | "issuer">,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(60_000)]);
  writeWhole(path, await mintToken(state, { tenant: "*", org: "*", role: "worker", subject: "worker-control" }, limit));
}

/** Renews that token every 20 minutes until the signal aborts; reports a failed renewal and repeats it. */
export async function keepWorkerToken(
  state: Pick<RunningStack, "dir" | "issuer">,
  path: string,
  report: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  let waitMs = renewAfterMs;
  for (;;) {
    try {
      await sleep(waitMs, undefined, { signal });
      await writeWorkerToken(state, path, signal);
      waitMs = renewAfterMs;
    } catch (error) {
      if (signal.aborted) return;
      report(`the worker's token could not be renewed: ${error instanceof Error ? error.message : String(error)}`);
      waitMs = retryAfterMs;
    }
  }
}
