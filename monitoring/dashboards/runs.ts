import type { Dashboard } from "../dashboard.ts";
import { here, quantiles, query, rate } from "../dashboard.ts";

export const runs: Dashboard = {
  name: "runs",
  title: "Runs and Temporal's workers",
  rows: [
    {
      title: "Runs",
      panels: [
        { title: "Ends a second", queries: [query("{{outcome}}", rate("automation_runs_finished_total", "outcome"))] },
        {
          title: "Causes of ends that are not COMPLETED, a second",
          queries: [
            query("{{fault}}: {{outcome}} {{reason}}", rate("automation_runs_aborted_total", "fault, outcome, reason")),
          ],
        },
        {
          title: "Time by phase, 95th percentile",
          unit: "s",
          queries: [
            query(
              "{{phase}}",
              `histogram_quantile(0.95, ${rate("automation_run_duration_seconds_bucket", "le, phase")})`,
            ),
          ],
        },
      ],
    },
    {
      title: "Work",
      panels: [
        { title: "Slots", queries: [query("{{state}}", `sum by (state) (automation_workspace_slots{${here}})`)] },
        {
          title: "Tries a second",
          description: "retried: by the scheduler's own fault",
          queries: [query("{{outcome}}", rate("automation_work_attempts_total", "outcome"))],
        },
        {
          title: "Parts, 95th percentile",
          unit: "s",
          queries: [
            query(
              "{{part}}",
              `histogram_quantile(0.95, ${rate("automation_work_part_duration_seconds_bucket", "le, part")})`,
            ),
          ],
        },
      ],
    },
    {
      title: "Steps",
      panels: [
        {
          title: "By persona and outcome, a second",
          queries: [query("{{persona}} {{outcome}}", rate("automation_steps_total", "persona, outcome"))],
        },
        {
          title: "Causes of failed steps, a second",
          queries: [
            query("{{persona}} {{reason}}", rate("automation_steps_total", "persona, reason", 'outcome="failed"')),
          ],
        },
        {
          title: "Boxes ended by a limit",
          queries: [
            query("{{limit}}", `sum by (limit) (increase(automation_box_limits_hit_total{${here}}[$__rate_interval]))`),
          ],
        },
      ],
    },
    {
      title: "Temporal's workers",
      panels: [
        {
          title: "Polls under way",
          queries: [
            query("{{task_queue}} {{poller_type}}", `sum by (task_queue, poller_type) (temporal_num_pollers{${here}})`),
          ],
        },
        {
          title: "Slots of tasks that are free",
          queries: [
            query(
              "{{task_queue}} {{worker_type}}",
              `sum by (task_queue, worker_type) (temporal_worker_task_slots_available{${here}})`,
            ),
          ],
        },
        {
          title: "Workflow tasks wait for a worker",
          unit: "s",
          queries: quantiles("temporal_workflow_task_schedule_to_start_latency_seconds"),
        },
        {
          title: "Activities wait for a worker",
          unit: "s",
          queries: quantiles("temporal_activity_schedule_to_start_latency_seconds", "task_queue"),
        },
      ],
    },
    {
      title: "Workflows",
      panels: [
        {
          title: "Failed workflow tasks",
          description: "NonDeterminismError: the code does not fit a run's history",
          queries: [
            query(
              "{{failure_reason}}",
              `sum by (failure_reason) (increase(temporal_workflow_task_execution_failed_total{${here}}[$__rate_interval]))`,
            ),
          ],
        },
        {
          title: "Duration of workflow tasks",
          unit: "s",
          queries: quantiles("temporal_workflow_task_execution_latency_seconds"),
        },
        {
          title: "Workflows in the cache",
          queries: [query("{{instance}}", `sum by (instance) (temporal_sticky_cache_size{${here}})`)],
        },
      ],
    },
  ],
};
