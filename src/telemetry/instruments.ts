import type { Attributes, Counter, Histogram, Meter } from "@opentelemetry/api";

/** A process that measures. */
export type Measured = "api" | "dispatcher" | "relay" | "worker-control" | "worker-workspace" | "check";

/** What a metric is, as docs/metrics.md tells it. */
export interface Definition<Label extends string = string> {
  /** In dots, with its unit at the end: `automation.outbox.oldest_age.seconds` is `automation_outbox_oldest_age_seconds` at the Prometheus endpoint. */
  readonly name: string;
  readonly kind: "counter" | "histogram" | "gauge";
  /** UCUM: `s`, `By`, `1`, or what is counted in braces. */
  readonly unit: string;
  readonly description: string;
  readonly labels: readonly Label[];
  readonly processes: readonly Measured[];
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
  /** Labels of a counter that begin at 0, for alerts on the first one counted: a rate needs a first value. */
  readonly zeros?: readonly Labels<Label>[];
}

type Labels<Label extends string> = Readonly<Record<Label, string>>;

/** A value that is read when somebody asks for it. */
export interface Reading<Label extends string> {
  readonly value: number;
  readonly labels: Labels<Label>;
}

/** Most values of one label of one metric; a further one is counted as `other`. */
const mostValues = 100;

/** Seconds, from one call to a run of hours. */
export const secondsOfCalls = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
export const secondsOfWaits = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600];
export const secondsOfWork = [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 14_400];

const definitions: Definition[] = [];
const waiting: ((meter: Meter) => void)[] = [];
let meter: Meter | undefined;
let here: Measured | undefined;

/** Every metric of the modules that are loaded. */
export const definedMetrics = (): readonly Definition[] => definitions;

/** @returns the name at the Prometheus endpoint */
export const prometheusName = ({ name, kind }: Pick<Definition, "name" | "kind">): string =>
  `${name.replaceAll(".", "_")}${kind === "counter" ? "_total" : ""}`;

/** Makes the instruments; until then nothing is measured, at the cost of a comparison. */
export function useMeter(made: Meter, name: Measured): void {
  meter = made;
  here = name;
  for (const make of waiting.splice(0)) make(made);
}

function onceMetered(make: (meter: Meter) => void): void {
  if (meter === undefined) waiting.push(make);
  else make(meter);
}

/** @returns adds to the counter */
export function counter<Label extends string = never>(definition: Omit<Definition<Label>, "kind">) {
  const capped = define({ ...definition, kind: "counter" });
  let made: Counter | undefined;
  onceMetered((meter) => {
    made = meter.createCounter(definition.name, definition);
    const zeros = definition.labels.length === 0 ? [{}] : (definition.zeros ?? []);
    if (definition.processes.some((name) => name === here)) for (const labels of zeros) made.add(0, labels);
  });
  return (labels: Labels<Label>, by = 1): void => made?.add(by, capped(labels));
}

/** @returns records one value */
export function histogram<Label extends string = never>(
  definition: Omit<Definition<Label>, "kind"> & Required<Pick<Definition, "buckets">>,
) {
  const capped = define({ ...definition, kind: "histogram" });
  let made: Histogram | undefined;
  onceMetered((meter) => {
    made = meter.createHistogram(definition.name, {
      unit: definition.unit,
      description: definition.description,
      advice: { explicitBucketBoundaries: [...definition.buckets] },
    });
  });
  return (labels: Labels<Label>, value: number): void => made?.record(value, capped(labels));
}

/** @returns names what is read at each collection; a reading that fails leaves its metric out */
export function gauge<Label extends string = never>(definition: Omit<Definition<Label>, "kind">) {
  const capped = define({ ...definition, kind: "gauge" });
  return (read: () => readonly Reading<Label>[] | Promise<readonly Reading<Label>[]>): void => {
    onceMetered((meter) =>
      meter.createObservableGauge(definition.name, definition).addCallback(async (result) => {
        for (const { value, labels } of await read()) result.observe(value, capped(labels));
      }),
    );
  };
}

/** @returns folds values beyond the cap into `other` */
function define<Label extends string>(definition: Definition<Label>): (labels: Labels<Label>) => Attributes {
  definitions.push(definition);
  const seen = new Map(definition.labels.map((label) => [label, new Set<string>()]));
  return (labels) =>
    Object.fromEntries(
      definition.labels.map((label) => {
        const value = labels[label];
        const values = seen.get(label);
        if (values === undefined || values.has(value)) return [label, value];
        if (values.size >= mostValues) return [label, "other"];
        values.add(value);
        return [label, value];
      }),
    );
}
