import type { Dashboard } from "../dashboard.ts";
import { here, quantiles, query, rate } from "../dashboard.ts";

export const relay: Dashboard = {
  name: "relay",
  title: "Relay and outbox",
  rows: [
    {
      title: "Outbox",
      panels: [
        {
          title: "Age of the oldest row",
          unit: "s",
          queries: [query("age", `max(automation_outbox_oldest_pending_age_seconds{${here}})`)],
        },
        { title: "Rows", queries: [query("rows", `max(automation_outbox_pending{${here}})`)] },
      ],
    },
    {
      title: "Publication",
      panels: [
        { title: "Records a second", queries: [query("{{kind}}", rate("automation_outbox_published_total", "kind"))] },
        {
          title: "From a run event's time to the bus",
          unit: "s",
          queries: quantiles("automation_outbox_publish_delay_seconds"),
        },
        {
          title: "Rounds that failed",
          queries: [
            query(
              "{{instance}}",
              `sum by (instance) (increase(automation_outbox_publish_failures_total{${here}}[$__rate_interval]))`,
            ),
          ],
        },
      ],
    },
    {
      title: "Replicas",
      panels: [
        {
          title: "Parts that are ready",
          queries: [query("{{instance}} {{part}}", `automation_ready{${here}, process="relay"}`)],
        },
        {
          title: "Queries that wait for a connection",
          queries: [
            query(
              "{{instance}}",
              `sum by (instance) (db_client_connection_pending_requests{${here}} * on (instance) group_left () group by (instance) (automation_build_info{${here}, process="relay"}))`,
            ),
          ],
        },
      ],
    },
  ],
};
