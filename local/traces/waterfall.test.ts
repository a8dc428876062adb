import { expect, it } from "vitest";
import type { Span } from "./otlp-json.ts";
import { waterfall } from "./waterfall.ts";

const span = (spanId: string, parentSpanId: string, name: string, fromMs: number, toMs: number, more = {}): Span => ({
  traceId: "a".repeat(32),
  spanId,
  parentSpanId,
  name,
  service: "automation-api",
  start: `${fromMs}000000`,
  end: `${toMs}000000`,
  attributes: {},
  ...more,
});

it("draws children below their parents, each bar at its time", () => {
  const spans = [
    span("3", "2", "governance.v1.GraphService/List", 50, 100, { error: "no\u001b[31m" }),
    span("1", "gone", "accept", 0, 20),
    span("2", "1", "step", 20, 100, { attributes: { "automation.step.id": "fix", "automation.attempt": 2 } }),
  ];
  const lines = waterfall(spans, 62);
  expect(lines.map((line) => line.replaceAll(/ +/g, " "))).toEqual([
    "accept api 20 ms █████",
    " step fix (try 2) api 80 ms ███████████████████",
    " GraphService/List api 50 ms ████████████ failed: no\u001b[31m",
  ]);
});

it("says so when there is none", () => {
  expect(waterfall([], 80)).toEqual(["no spans yet"]);
});
