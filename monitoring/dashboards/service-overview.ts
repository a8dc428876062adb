import type { Dashboard } from "../dashboard.ts";
import { here, quantiles, query, rate, shared } from "../dashboard.ts";
import { errorRatio } from "../slo-rules.ts";
import { slos } from "../slos.ts";

export const serviceOverview: Dashboard = {
  name: "service-overview",
  title: "Service overview",
  rows: [
    {
      title: "Budgets of errors that are left, of the time shown",
      panels: slos.map(({ id, promise, objective, all, bad }) => ({
        title: id,
        description: `${promise}. 100 %: none was bad. Below 0: the promise is broken.`,
        type: "stat" as const,
        unit: "percentunit",
        queries: [
          query(
            "{{namespace}}",
            `1 - ${bad("increase", "$__range", here)} / ${all("increase", "$__range", here)} / ${Number((1 - objective).toPrecision(6))}`,
          ),
        ],
      })),
    },
    {
      title: "Promises",
      panels: [
        {
          title: "Share that is bad, over an hour",
          unit: "percentunit",
          queries: [query("{{slo}}", `max by (slo) (${errorRatio("1h")}{${here}})`)],
        },
        {
          title: "Alerts that fire",
          type: "table",
          queries: [
            query("", `count by (alertname, severity) (ALERTS{alertstate="firing", alertname=~"Automation.*"})`),
          ],
        },
      ],
    },
    {
      title: "From event to end",
      panels: [
        {
          title: "Dispositions a second",
          description: "What became of deliveries and calls.",
          queries: [query("{{disposition}}", rate("automation_dispatch_dispositions_total", "disposition"))],
        },
        {
          title: "Starts a second",
          queries: [query("{{answer}}", rate("automation_run_starts_total", "answer"))],
        },
        {
          title: "Ends a second",
          queries: [query("{{outcome}}", rate("automation_runs_finished_total", "outcome"))],
        },
        {
          title: "Whose fault, a second",
          description: "Runs that ended other than COMPLETED.",
          queries: [query("{{fault}}", rate("automation_runs_aborted_total", "fault"))],
        },
      ],
    },
    {
      title: "Waits",
      panels: [
        { title: "In the bus", unit: "s", queries: quantiles("automation_event_bus_delay_seconds") },
        { title: "For a start", unit: "s", queries: quantiles("automation_run_start_delay_seconds") },
        {
          title: "Of run events for the bus",
          unit: "s",
          queries: quantiles("automation_outbox_publish_delay_seconds"),
        },
      ],
    },
    {
      title: "Api",
      panels: [
        {
          title: "Calls a second, by answer",
          queries: [
            query(
              "{{rpc_response_status_code}}",
              rate("rpc_server_call_duration_seconds_count", "rpc_response_status_code"),
            ),
          ],
        },
        {
          title: "Duration of reads",
          unit: "s",
          queries: quantiles("rpc_server_call_duration_seconds", "", 'rpc_method=~".*/(List|Get|Describe).*"'),
        },
        { title: "Open streams of run events", queries: [query("streams", `sum(automation_watch_streams{${here}})`)] },
      ],
    },
    {
      title: "Check",
      panels: [
        {
          title: "Rows that break an invariant",
          queries: [query("{{invariant}}", `max by (invariant) (automation_invariant_broken{${here}})`)],
        },
        {
          title: "Rows that were looked at",
          description: "Of 0 nothing follows.",
          queries: [query("{{invariant}}", `max by (invariant) (automation_invariant_seen{${here}})`)],
        },
        {
          title: "Since the last round of the check",
          unit: "s",
          queries: [query("age", `min(automation_check_age_seconds{${here}})`)],
        },
      ],
    },
    {
      title: "Processes",
      panels: [
        {
          title: "Replicas",
          queries: [query("{{process}} {{version}}", `count by (process, version) (automation_build_info{${here}})`)],
        },
        {
          title: "Operator files in use",
          description: "More than one for long: a replica has not read the newest.",
          queries: [query("{{process}} {{digest}}", `count by (process, digest) (automation_config_info{${here}})`)],
        },
        {
          title: "Parts that are not ready",
          queries: [query("{{process}} {{part}}", `count by (process, part) (automation_ready{${here}} == 0)`)],
        },
        { title: "Runs that wait", queries: [query("{{state}}", shared("automation_queue_runs", "state"))] },
      ],
    },
  ],
};
