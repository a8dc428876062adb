import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { runProgram } from "../local/engines/run-program.ts";
import { definedMetrics, prometheusName } from "../src/telemetry/instruments.ts";
import "../src/telemetry/metrics/all-metrics.ts";
import { findPrometheus } from "../test/support/engines/prometheus/find-prometheus.ts";
import { findBy } from "../test/support/probes/find.ts";
import { toGrafana } from "./dashboard.ts";
import { dashboards } from "./dashboards/all-dashboards.ts";
import { nodeMetrics, temporalFailureMetrics, temporalMetrics } from "./foreign-metrics.ts";
import { queriesOfDashboards as queries, queriesOfRunbooks as runbookQueries } from "./queries.ts";

const chart = join(import.meta.dirname, "..", "charts", "automation-scheduler");

interface Rule {
  readonly expr: string;
  readonly record?: string;
}
const rules = globSync("rules/*.yaml", { cwd: chart })
  .flatMap((file): { rules: Rule[] }[] => parse(readFileSync(join(chart, file), "utf8")).groups)
  .flatMap((group) => group.rules);

const histogramParts = (name: string) => ["bucket", "count", "sum"].map((part) => `${name}_${part}`);
const known = new Set([
  "ALERTS",
  ...definedMetrics().flatMap((metric) =>
    metric.kind === "histogram" ? histogramParts(prometheusName(metric)) : [prometheusName(metric)],
  ),
  ...[...nodeMetrics, ...temporalMetrics, ...temporalFailureMetrics].flatMap((name) =>
    name.endsWith("_latency_seconds") ? histogramParts(name) : [name],
  ),
  ...rules.flatMap(({ record }) => record ?? []),
]);

const words = new Set([
  "and",
  "or",
  "unless",
  "by",
  "on",
  "offset",
  "group_left",
  "group_right",
  "without",
  "ignoring",
]);

/** @returns the metrics that an expression names: what is left when texts, selectors, lists of labels, ranges and functions are taken out */
function metricsOf(expr: string): string[] {
  const bare = expr
    .replaceAll(/"[^"]*"/g, "")
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, "")
    .replaceAll(/\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  const named = [...bare.matchAll(/(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])/g)].map(([name]) => name);
  return named.filter((name) => !words.has(name));
}

const scratch = mkdtempSync(join(tmpdir(), "automation-queries-"));
afterAll(() => rmSync(scratch, { recursive: true }));
let promtool: string;
beforeAll(async () => {
  ({ promtool } = await findPrometheus(findBy(AbortSignal.timeout(300_000), console.error)));
}, 300_000);

describe.each(dashboards)("the dashboard $name", (dashboard) => {
  it("is what monitoring/dashboards draws", async () => {
    await expect(toGrafana(dashboard)).toMatchFileSnapshot(join(chart, "dashboards", `${dashboard.name}.json`));
  });

  it("takes its data from the source and the namespace that are chosen", () => {
    const text = toGrafana(dashboard);
    expect(text).not.toMatch(/"uid": "(?!\$datasource"|automation-)/);
    const own = dashboard.rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries));
    for (const { expr } of own)
      for (const [selector = ""] of expr.matchAll(/\{[^}]*\}/g))
        if (!selector.includes("alertstate")) expect(selector).toContain('namespace=~"$namespace"');
  });
});

it("the chart has these dashboards, and no other", () => {
  const files = globSync("*.json", { cwd: join(chart, "dashboards") });
  expect(files.toSorted()).toEqual(dashboards.map(({ name }) => `${name}.json`).toSorted());
});

it("Prometheus accepts every query of the dashboards and the runbooks", async () => {
  const file = join(scratch, "queries.yaml");
  expect(runbookQueries.length).toBeGreaterThan(3 * 20);
  const recorded = [...queries, ...runbookQueries].map(({ expr }, index) => ({ record: `query:${index}`, expr }));
  writeFileSync(file, stringify({ groups: [{ name: "queries", rules: recorded }] }));
  const told = await runProgram([promtool, "check", "rules", file], {
    limitMs: 60_000,
    signal: AbortSignal.timeout(60_000),
  });
  expect(told).toMatchObject({ code: 0 });
});

it.each([
  ...queries,
  ...runbookQueries,
  ...rules.map(({ expr, ...rest }) => ({ at: JSON.stringify(rest).slice(0, 80), expr })),
])("$at names metrics that there are", ({ expr }) => {
  const named = metricsOf(expr);
  expect(named).not.toEqual([]);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

it("every foreign metric that is listed is read", () => {
  const read = new Set([...queries, ...rules].flatMap(({ expr }) => metricsOf(expr)));
  const listed = [...nodeMetrics, ...temporalMetrics, ...temporalFailureMetrics];
  expect(listed.filter((name) => ![name, ...histogramParts(name)].some((part) => read.has(part)))).toEqual([]);
});

it("each of ours is on a dashboard", () => {
  const drawn = new Set(queries.flatMap(({ expr }) => metricsOf(expr)));
  const ours = definedMetrics().map(prometheusName);
  expect(ours.filter((name) => ![name, ...histogramParts(name)].some((part) => drawn.has(part)))).toEqual([]);
});
