import type { Dashboard } from "../dashboard.ts";
import { here, quantiles, query, rate, shared } from "../dashboard.ts";

export const methodology: Dashboard = {
  name: "methodology",
  title: "By methodology",
  rows: [
    {
      title: "Runs",
      panels: [
        {
          title: "Ends by profile, a second",
          queries: [query("{{profile}} {{outcome}}", rate("automation_runs_finished_total", "profile, outcome"))],
        },
        {
          title: "Ends by method and kind of cadence, a second",
          queries: [
            query(
              "{{method}} {{cadence_kind}} {{outcome}}",
              rate("automation_runs_finished_total", "method, cadence_kind, outcome"),
            ),
          ],
        },
        {
          title: "Share COMPLETED by profile",
          unit: "percentunit",
          queries: [
            query(
              "{{profile}}",
              `${rate("automation_runs_finished_total", "profile", 'outcome="COMPLETED"')} / ${rate("automation_runs_finished_total", "profile")}`,
            ),
          ],
        },
        {
          title: "Time by profile, 95th percentile",
          unit: "s",
          queries: [
            query(
              "{{profile}}",
              `histogram_quantile(0.95, ${rate("automation_run_duration_seconds_bucket", "le, profile", 'phase="whole"')})`,
            ),
          ],
        },
      ],
    },
    {
      title: "Evidence",
      panels: [
        {
          title: "Requirements judged, by profile, a second",
          queries: [query("{{profile}} {{state}}", rate("automation_evidence_judged_total", "profile, state"))],
        },
        {
          title: "Requirements that are missing or failed",
          description: "Of the time shown.",
          type: "table",
          queries: [
            query(
              "",
              `sort_desc(sum by (profile, requirement, state) (increase(automation_evidence_judged_total{${here}, state!="met"}[$__range])))`,
            ),
          ],
        },
      ],
    },
    {
      title: "Impediments",
      panels: [
        {
          title: "Opened, by cause",
          description: "The first time of a cause on a work item; its methodology decides when it is over.",
          queries: [
            query(
              "{{method}} {{reason}}",
              `sum by (method, reason) (increase(automation_impediments_total{${here}, occurrence="first"}[$__rate_interval]))`,
            ),
          ],
        },
        {
          title: "Again, though known",
          queries: [
            query(
              "{{method}} {{reason}}",
              `sum by (method, reason) (increase(automation_impediments_total{${here}, occurrence="again"}[$__rate_interval]))`,
            ),
          ],
        },
      ],
    },
    {
      title: "Hand-offs",
      panels: [
        {
          title: "Calls a second, by result",
          queries: [
            query(
              "{{receiver}} {{phase}} {{result}}",
              rate("automation_handoff_calls_total", "receiver, phase, result"),
            ),
          ],
        },
        { title: "Duration", unit: "s", queries: quantiles("automation_handoff_duration_seconds", "receiver") },
        {
          title: "Calls without a final answer",
          queries: [query("{{receiver}} {{state}}", shared("automation_handoff_open_calls", "receiver, state"))],
        },
        {
          title: "Age of the oldest",
          unit: "s",
          queries: [
            query("{{receiver}} {{state}}", shared("automation_handoff_oldest_age_seconds", "receiver, state")),
          ],
        },
      ],
    },
  ],
};
