import type { CatchUpReport } from "../../admission/catch-up.ts";
import { tableLines } from "./output.ts";

/** From when on requests are read again, and what Temporal knows and Postgres does not, for people. */
export function catchUpLines({ from, executions, unknown }: CatchUpReport): string[] {
  return [
    `requests are read again from ${from?.toISOString() ?? "the oldest that is kept"} on`,
    `of ${executions} workflows that began or ended since then, Postgres does not know the end of ${unknown.length}`,
    ...tableLines(unknown, [
      { title: "RUN", of: ({ runId }) => runId },
      { title: "TENANT", of: ({ tenant }) => tenant },
      { title: "GENERATION", of: ({ generation }) => generation },
      { title: "IN TEMPORAL", of: ({ told }) => told },
      { title: "SINCE", of: ({ startedAt, closedAt }) => (closedAt ?? startedAt).toISOString() },
      { title: "IN POSTGRES", of: ({ inPostgres }) => inPostgres },
    ]),
  ];
}
