import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { expect, it } from "vitest";
import { counter, gauge, useMeter } from "./instruments.ts";

const about = { unit: "{run}", description: "", processes: [] };

it("counts before and after there is a meter without error, and folds what goes beyond 100 values of a label", async () => {
  const runs = counter({ ...about, name: "test.runs", labels: ["profile", "outcome"] });
  runs({ profile: "p0", outcome: "COMPLETED" });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter });
  useMeter(new MeterProvider({ readers: [reader] }).getMeter("test"), "api");
  for (let n = 0; n < 150; n += 1) runs({ profile: `p${n}`, outcome: "COMPLETED" });
  gauge({ ...about, name: "test.late", labels: [] })(() => [{ value: 3, labels: {} }]);
  await reader.forceFlush();
  const metrics = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
  const points = metrics.find(({ descriptor }) => descriptor.name === "test.runs")?.dataPoints ?? [];
  expect(points).toHaveLength(101);
  expect(points.find(({ attributes }) => attributes.profile === "other")).toMatchObject({
    attributes: { outcome: "COMPLETED" },
    value: 50,
  });
  expect(metrics.find(({ descriptor }) => descriptor.name === "test.late")?.dataPoints).toMatchObject([{ value: 3 }]);
  await reader.shutdown();
});

it("begins counters at 0 with the labels that alerts wait for, in the processes that count them", async () => {
  const zeros = [{ fault: "platform" }];
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter });
  useMeter(new MeterProvider({ readers: [reader] }).getMeter("test"), "api");
  counter({ ...about, processes: ["api"], name: "test.aborted", labels: ["fault"], zeros });
  counter({ ...about, processes: ["relay"], name: "test.elsewhere", labels: ["fault"], zeros });
  await reader.forceFlush();
  const metrics = exporter.getMetrics()[0]?.scopeMetrics[0]?.metrics ?? [];
  const points = metrics.map(({ descriptor, dataPoints }) => ({ name: descriptor.name, points: dataPoints }));
  expect(points).toMatchObject([{ name: "test.aborted", points: [{ attributes: zeros[0], value: 0 }] }]);
  await reader.shutdown();
});
