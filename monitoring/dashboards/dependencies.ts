import type { Dashboard } from "../dashboard.ts";
import { here, quantiles, query, rate } from "../dashboard.ts";

/** Gives the samples of a metric the process that they are of. */
const byProcess = (metric: string): string =>
  `max by (process, instance) (${metric} * on (instance) group_left (process) group by (instance, process) (automation_build_info{${here}}))`;

export const dependencies: Dashboard = {
  name: "dependencies",
  title: "Dependencies and resources",
  rows: [
    {
      title: "What stands still",
      panels: [
        {
          title: "Replicas that are not ready, by part",
          queries: [query("{{process}} {{part}}", `sum by (process, part) (1 - automation_ready{${here}})`)],
        },
      ],
    },
    {
      title: "Postgres",
      panels: [
        {
          title: "Connections",
          queries: [query("{{instance}} {{state}}", `sum by (instance, state) (db_client_connection_count{${here}})`)],
        },
        {
          title: "Queries that wait for one",
          queries: [query("{{process}} {{instance}}", byProcess(`db_client_connection_pending_requests{${here}}`))],
        },
      ],
    },
    {
      title: "Temporal, as its workers see it",
      panels: [
        { title: "Requests a second", queries: [query("{{operation}}", rate("temporal_request_total", "operation"))] },
        {
          title: "Failed requests a second",
          queries: [
            query("{{operation}} {{status_code}}", rate("temporal_request_failure_total", "operation, status_code")),
          ],
        },
        { title: "Duration of requests", unit: "s", queries: quantiles("temporal_request_latency_seconds") },
      ],
    },
    {
      title: "Kafka and methodologies",
      panels: [
        {
          title: "Rounds of the relay that failed",
          queries: [
            query("rounds", `sum(increase(automation_outbox_publish_failures_total{${here}}[$__rate_interval]))`),
          ],
        },
        {
          title: "Rejoins of the dispatchers",
          queries: [query("rejoins", `sum(increase(automation_dispatch_rejoins_total{${here}}[$__rate_interval]))`)],
        },
        {
          title: "Calls to methodologies without an answer, a second",
          queries: [
            query(
              "{{receiver}} {{result}}",
              rate("automation_handoff_calls_total", "receiver, result", 'result=~"UNANSWERED|HELD_BACK"'),
            ),
          ],
        },
      ],
    },
    {
      title: "Processes",
      panels: [
        {
          title: "CPU",
          description: "Cores.",
          queries: [
            query(
              "{{process}} {{instance}}",
              `sum by (process, instance) (deriv(process_cpu_time_seconds{${here}}[$__rate_interval]) * on (instance) group_left (process) group by (instance, process) (automation_build_info{${here}}))`,
            ),
          ],
        },
        {
          title: "Resident memory",
          unit: "bytes",
          queries: [query("{{process}} {{instance}}", byProcess(`process_memory_usage_bytes{${here}}`))],
        },
        {
          title: "Delay of the event loop, 99th percentile",
          unit: "s",
          queries: [query("{{process}} {{instance}}", byProcess(`nodejs_eventloop_delay_p99{${here}}`))],
        },
        {
          title: "Event loop in use",
          unit: "percentunit",
          queries: [query("{{process}} {{instance}}", byProcess(`nodejs_eventloop_utilization{${here}}`))],
        },
      ],
    },
  ],
};
