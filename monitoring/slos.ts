/** A promise to users, judged over 28 days by what the processes measure. */
export interface Slo {
  /** Value of the label `slo`. */
  readonly id: string;
  readonly alert: string;
  /** In words, for people who are woken. */
  readonly promise: string;
  /** Share that must be good, below 1. */
  readonly objective: number;
  /** PromQL of what happened, by `namespace`. */
  readonly all: Counted;
  readonly bad: Counted;
  readonly runbook: string;
}

/** @param where - further selectors */
type Counted = (over: "rate" | "increase", window: string, where?: string) => string;

const sum = (over: string, metric: string, window: string, ...selectors: readonly string[]): string =>
  `sum by (namespace) (${over}(${metric}{${selectors.filter((text) => text !== "").join(", ")}}[${window}]))`.replace(
    "{}",
    "",
  );

/** @param most - seconds, one of the histogram's bounds, whole; Prometheus 3 writes it with a decimal */
const withinSeconds = (histogram: string, most: number): Pick<Slo, "all" | "bad"> => {
  const all: Counted = (over, window, where = "") => sum(over, `${histogram}_count`, window, where);
  const good: Counted = (over, window, where = "") =>
    sum(over, `${histogram}_bucket`, window, `le=~"${most}([.]0)?"`, where);
  return { all, bad: (...how) => `(${all(...how)} - ${good(...how)})` };
};

/** @param failures - its metric and selector; none is counted before the first */
const failuresOf = (
  metric: string,
  failures: readonly [metric: string, selector: string],
): Pick<Slo, "all" | "bad"> => {
  const all: Counted = (over, window, where = "") => sum(over, metric, window, where);
  const [failed, selector] = failures;
  return {
    all,
    bad: (over, window, where = "") =>
      `(${sum(over, failed, window, selector, where)} or 0 * ${all(over, window, where)})`,
  };
};

export const slos: readonly Slo[] = [
  {
    id: "api-calls",
    alert: "AutomationApiCallsFail",
    promise: "99.9 % of the api's calls get an answer that is not the platform's own fault",
    objective: 0.999,
    ...failuresOf("rpc_server_call_duration_seconds_count", [
      "rpc_server_call_duration_seconds_count",
      'rpc_response_status_code=~"unavailable|internal|unknown|deadlineexceeded|dataloss"',
    ]),
    runbook: "api-calls-fail",
  },
  {
    id: "runs",
    alert: "AutomationRunsFailByPlatform",
    promise: "99.9 % of runs end without a fault of the platform",
    objective: 0.999,
    ...failuresOf("automation_runs_finished_total", ["automation_runs_aborted_total", 'fault="platform"']),
    runbook: "runs-fail-by-platform",
  },
  {
    id: "run-events",
    alert: "AutomationRunEventsLate",
    promise: "99 % of run events are on the bus within 5 s",
    objective: 0.99,
    ...withinSeconds("automation_outbox_publish_delay_seconds", 5),
    runbook: "run-events-late",
  },
  {
    id: "events",
    alert: "AutomationEventsTakenLate",
    promise: "99 % of events have their disposition within 30 s",
    objective: 0.99,
    ...withinSeconds("automation_event_bus_delay_seconds", 30),
    runbook: "events-taken-late",
  },
  {
    id: "starts",
    alert: "AutomationRunsStartLate",
    promise: "99 % of runs are started within 30 s of their acceptance",
    objective: 0.99,
    ...withinSeconds("automation_run_start_delay_seconds", 30),
    runbook: "runs-start-late",
  },
];
