import { expect, it } from "vitest";
import type { Definition, Measured } from "./instruments.ts";
import { definedMetrics, prometheusName } from "./instruments.ts";
import "./metrics/all-metrics.ts";

const processes: readonly Measured[] = ["api", "dispatcher", "relay", "worker-control", "worker-workspace", "check"];

const row = (metric: Definition) => {
  const labels = metric.labels.map((label) => `\`${label}\``).join(", ");
  return `| \`${prometheusName(metric)}\` | ${metric.kind} | \`${metric.unit}\` | ${labels} | ${metric.description} |`;
};

const tableOf = (name: Measured): string => {
  const own = definedMetrics().filter((metric) => metric.processes.includes(name));
  const shown = own.map(row).toSorted();
  return [
    `## ${name}`,
    "",
    "| Metric | Type | Unit | Labels | What it counts |",
    "| --- | --- | --- | --- | --- |",
    ...shown,
    "",
  ].join("\n");
};

const page = `# Metrics

This page is generated: \`npx vitest run --project unit src/telemetry/metrics-page.test.ts -u\`.

Each process serves its metrics for Prometheus at \`/metrics\` of \`AUTOMATION_HEALTH_ADDRESS\`, and sends the same by OTLP where \`OTEL_EXPORTER_OTLP_ENDPOINT\` names a collector; there the names have dots. A label has at most 100 values in a process; what goes beyond is counted as \`other\`. No label holds a tenant or the id of a run. The workers also serve the metrics of Temporal's SDK, \`temporal_…\`, and every process those of Node: \`nodejs_eventloop_…\`, \`v8js_…\`.

${processes.map(tableOf).join("\n")}`;

it("the page of metrics is what the processes measure", async () => {
  await expect(page).toMatchFileSnapshot("../../docs/metrics.md");
});

it("names are not used twice, and end with their unit", () => {
  const names = definedMetrics().map(prometheusName);
  expect(new Set(names).size).toBe(names.length);
  for (const metric of definedMetrics()) {
    if (metric.unit === "s") expect(metric.name).toMatch(/\.seconds$/);
    if (metric.unit === "By") expect(metric.name).toMatch(/\.bytes$/);
  }
});
