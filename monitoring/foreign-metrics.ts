/** Metrics that dashboards and alerts read and that are not ours. */

/** Of every process, by OpenTelemetry's instrumentation of Node. */
export const nodeMetrics: readonly string[] = ["nodejs_eventloop_delay_p99", "nodejs_eventloop_utilization"];

/** Of the workers, by Temporal's SDK. */
export const temporalMetrics: readonly string[] = [
  "temporal_activity_schedule_to_start_latency_seconds",
  "temporal_num_pollers",
  "temporal_request_latency_seconds",
  "temporal_request_total",
  "temporal_sticky_cache_size",
  "temporal_worker_task_slots_available",
  "temporal_workflow_task_execution_latency_seconds",
  "temporal_workflow_task_schedule_to_start_latency_seconds",
];

/** Of Temporal's SDK, counted from the first failure on: a scrape of a stack that is well has none of them. */
export const temporalFailureMetrics: readonly string[] = [
  "temporal_request_failure_total",
  "temporal_workflow_task_execution_failed_total",
];
