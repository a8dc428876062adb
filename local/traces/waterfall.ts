import stringWidth from "string-width";
import type { Span } from "./otlp-json.ts";

interface Row {
  readonly span: Span;
  readonly depth: number;
}

const leastBar = 20;
const mostName = 46;

/** Draws spans as bars over the time of the whole trace, children below their parents, each with service and duration. */
export function waterfall(spans: readonly Span[], width: number): string[] {
  if (spans.length === 0) return ["no spans yet"];
  const rows = inOrder(spans);
  const begin = rows.reduce((least, { span }) => min(least, BigInt(span.start)), BigInt(spans[0]?.start ?? 0));
  const end = rows.reduce((most, { span }) => max(most, BigInt(span.end)), begin);
  const whole = Math.max(Number(end - begin), 1);
  const names = rows.map(({ span, depth }) =>
    cut(`${"  ".repeat(depth)}${span.name.replace(/^[a-z0-9_.]+\./, "")}${labelOf(span)}`, mostName),
  );
  const nameWidth = Math.max(...names.map((name) => stringWidth(name)));
  const services = rows.map(({ span }) => span.service.replace(/^automation-/, ""));
  const serviceWidth = Math.max(...services.map((service) => stringWidth(service)));
  const timeWidth = 9;
  const barWidth = Math.max(leastBar, width - nameWidth - serviceWidth - timeWidth - 6);
  return rows.map(({ span }, row) => {
    const [name = "", service = ""] = [names[row], services[row]];
    const from = Math.min(barWidth - 1, Math.floor((Number(BigInt(span.start) - begin) / whole) * barWidth));
    const to = Math.max(from + 1, Math.round((Number(BigInt(span.end) - begin) / whole) * barWidth));
    const bar = " ".repeat(from) + "█".repeat(Math.min(to, barWidth) - from);
    const error = span.error === undefined ? "" : `  failed: ${span.error}`;
    return [
      padEnd(name, nameWidth),
      padEnd(service, serviceWidth),
      durationText(Number(BigInt(span.end) - BigInt(span.start)) / 1e6).padStart(timeWidth),
      `${bar}${error}`,
    ].join("  ");
  });
}

/** Parents before their children, siblings by their start. A span whose parent is not here stands on its own. */
function inOrder(spans: readonly Span[]): Row[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  const below = Map.groupBy(spans, ({ parentSpanId }) => (ids.has(parentSpanId) ? parentSpanId : ""));
  const rows: Row[] = [];
  const add = (parent: string, depth: number): void => {
    const children = (below.get(parent) ?? []).toSorted((a, b) => Number(BigInt(a.start) - BigInt(b.start)));
    for (const span of children) {
      rows.push({ span, depth });
      if (span.spanId !== parent) add(span.spanId, depth + 1);
    }
  };
  add("", 0);
  return rows;
}

/** The step, or the number of a further try. */
function labelOf({ attributes }: Span): string {
  const step = attributes["automation.step.id"];
  const attempt = Number(attributes["automation.attempt"] ?? 1);
  return `${step === undefined ? "" : ` ${step}`}${attempt > 1 ? ` (try ${attempt})` : ""}`;
}

const durationText = (ms: number): string =>
  ms < 1 ? `${ms.toFixed(2)} ms` : ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(2)} s`;

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const padEnd = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - stringWidth(text)));
const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
