import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

const loopback = "127.0.0.1";
const readLimitMs = 2_000;

/**
 * Metrics of Temporal's own SDK, which it only serves itself: on a free port of the loopback, from where they are read.
 * Names get the suffixes that Prometheus is used to, and durations are seconds: `temporal_workflow_task_schedule_to_start_latency_seconds`.
 */
export async function createSdkMetrics() {
  const bindAddress = `${loopback}:${await freePort()}`;
  return {
    options: {
      prometheus: { bindAddress, countersTotalSuffix: true, unitSuffix: true, useSecondsForDurations: true },
    },
    async read(): Promise<string> {
      const answer = await fetch(`http://${bindAddress}/metrics`, { signal: AbortSignal.timeout(readLimitMs) });
      return answer.ok ? answer.text() : "";
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, loopback);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
