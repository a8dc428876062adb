import { globSync } from "node:fs";
import { join } from "node:path";
import { inlineCodeOf } from "../test/support/probes/pages.ts";
import { dashboards } from "./dashboards/all-dashboards.ts";

/** A query that people are given, and where. */
export interface GivenQuery {
  readonly at: string;
  readonly expr: string;
}

export const queriesOfDashboards: readonly GivenQuery[] = dashboards.flatMap(({ name, rows }) =>
  rows.flatMap(({ panels }) =>
    panels.flatMap(({ title, queries }) =>
      queries.map(({ expr }) => ({ at: `${name}: ${title}`, expr: filled(expr) })),
    ),
  ),
);

/** Code in the text of a runbook that reads metrics, whole queries and names alike. */
export const queriesOfRunbooks: readonly GivenQuery[] = globSync("docs/operating/runbooks/*.md", {
  cwd: join(import.meta.dirname, ".."),
}).flatMap((page) =>
  inlineCodeOf(page)
    .filter((code) =>
      /\b(namespace:)?(automation|rpc_server|db_client|messaging|process|nodejs|temporal)_\w/.test(code),
    )
    .filter((code) => !/^(npx|kubectl|select|temporal) /.test(code))
    .map((expr) => ({ at: page, expr })),
);

/** Grafana's variables, as Grafana would fill them. */
function filled(expr: string): string {
  return expr.replaceAll("$namespace", ".*").replaceAll("$__rate_interval", "5m").replaceAll("$__range", "6h");
}
