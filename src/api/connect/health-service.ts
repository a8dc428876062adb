import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceImpl } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import type { ReadinessCheck } from "../../telemetry/health.ts";
import { isReady } from "../../telemetry/health.ts";
import { shownText } from "../../text/strangers-text.ts";

const lookAgainMs = 5_000;
/** A watcher is sent the status again after this time without a change: connections without traffic are closed after twice the time. */
const tellAgainMs = 30_000;
const maxWatchers = 64;

/**
 * The gRPC health protocol, for probes and load balancers, which have no token. It answers as `/readyz` does, and the same for every service.
 * @param deps.names - of the services that are served; "" stands for all of them
 * @param deps.ending - ends every watch, with a last NOT_SERVING
 */
export function createHealthService(deps: {
  readonly names: readonly string[];
  readonly check: ReadinessCheck;
  readonly ending: AbortSignal;
}): ServiceImpl<typeof Health> {
  const known = new Set(["", ...deps.names]);
  const look = async (): Promise<Status> =>
    !deps.ending.aborted && isReady(await deps.check()) ? Status.SERVING : Status.NOT_SERVING;
  let watchers = 0;
  return {
    check: async ({ service }) => {
      if (known.has(service)) return { status: await look() };
      const names = `"" or one of ${deps.names.join(", ")}`;
      throw new ConnectError(
        `service "${shownText(service, 200)}" is not served here; ask for ${names}`,
        Code.NotFound,
      );
    },

    list: async () => {
      const status = await look();
      return { statuses: Object.fromEntries([...known].map((name) => [name, { status }])) };
    },

    async *watch({ service }, { signal }) {
      if (watchers >= maxWatchers)
        throw new ConnectError(`${maxWatchers} calls watch already; ask by Check instead`, Code.ResourceExhausted);
      watchers += 1;
      try {
        const until = AbortSignal.any([signal, deps.ending]);
        let told: Status | undefined;
        let toldAt = 0;
        for (;;) {
          const status = known.has(service) ? await look() : Status.SERVICE_UNKNOWN;
          if (status !== told || performance.now() - toldAt >= tellAgainMs) {
            yield { status };
            told = status;
            toldAt = performance.now();
          }
          if (until.aborted) return;
          await sleep(lookAgainMs, undefined, { signal: until }).catch(() => undefined);
        }
      } finally {
        watchers -= 1;
      }
    },
  };
}
