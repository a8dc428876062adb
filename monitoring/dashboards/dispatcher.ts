import type { Dashboard } from "../dashboard.ts";
import { here, quantiles, query, rate, shared } from "../dashboard.ts";

export const dispatcher: Dashboard = {
  name: "dispatcher",
  title: "Dispatcher and bus",
  rows: [
    {
      title: "Bus",
      panels: [
        {
          title: "From the bus to the disposition",
          unit: "s",
          queries: quantiles("automation_event_bus_delay_seconds"),
        },
        {
          title: "Age of the oldest record in hand",
          unit: "s",
          queries: [query("{{instance}} {{bus}}", `max by (instance, bus) (automation_dispatch_lag_seconds{${here}})`)],
        },
        { title: "Batches: duration", unit: "s", queries: quantiles("messaging_process_duration_seconds", "outcome") },
        {
          title: "Batches a second",
          queries: [query("{{outcome}}", rate("messaging_process_duration_seconds_count", "outcome"))],
        },
      ],
    },
    {
      title: "Interruptions",
      panels: [
        {
          title: "Pauses of the topic",
          description: "Batches that could not be made durable.",
          queries: [
            query(
              "{{instance}}",
              `sum by (instance) (increase(automation_dispatch_pauses_total{${here}}[$__rate_interval]))`,
            ),
          ],
        },
        {
          title: "Rejoins of the group",
          queries: [
            query(
              "{{instance}}",
              `sum by (instance) (increase(automation_dispatch_rejoins_total{${here}}[$__rate_interval]))`,
            ),
          ],
        },
      ],
    },
    {
      title: "Dispositions",
      panels: [
        {
          title: "By disposition, a second",
          queries: [query("{{disposition}}", rate("automation_dispatch_dispositions_total", "disposition"))],
        },
        {
          title: "Reasons of what was not accepted, a second",
          queries: [
            query(
              "{{disposition}} {{reason}}",
              rate("automation_dispatch_dispositions_total", "disposition, reason", 'disposition!="accepted"'),
            ),
          ],
        },
      ],
    },
    {
      title: "Queue",
      panels: [
        {
          title: "Runs",
          description: "waiting for a place, claimed, or started and not begun",
          queries: [
            query("{{state}}", shared("automation_queue_runs", "state")),
            query("places", `max(automation_queue_places{${here}})`),
          ],
        },
        {
          title: "Age of the oldest that waits",
          unit: "s",
          queries: [query("age", `max(automation_queue_oldest_age_seconds{${here}})`)],
        },
        { title: "From acceptance to the start", unit: "s", queries: quantiles("automation_run_start_delay_seconds") },
        { title: "One start in Temporal", unit: "s", queries: quantiles("automation_run_start_duration_seconds") },
        {
          title: "Answers of Temporal a second",
          queries: [query("{{answer}}", rate("automation_run_starts_total", "answer"))],
        },
      ],
    },
    {
      title: "Lost runs",
      panels: [
        {
          title: "Found without progress",
          queries: [
            query(
              "{{finding}}",
              `sum by (finding) (increase(automation_reconcile_findings_total{${here}}[$__rate_interval]))`,
            ),
          ],
        },
        {
          title: "Restarted or ended",
          queries: [
            query(
              "{{finding}} {{outcome}}",
              `sum by (finding, outcome) (increase(automation_runs_reconciled_total{${here}}[$__rate_interval]))`,
            ),
          ],
        },
      ],
    },
  ],
};
