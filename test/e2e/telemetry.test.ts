import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Span } from "../../local/traces/otlp-json.ts";
import type { Measured } from "../../src/telemetry/instruments.ts";
import { definedMetrics, prometheusName } from "../../src/telemetry/instruments.ts";
import "../../src/telemetry/metrics/all-metrics.ts";
import { nodeMetrics, temporalFailureMetrics, temporalMetrics } from "../../monitoring/foreign-metrics.ts";
import type { RunningStack } from "../support/engines/stack.ts";
import { automation, clone, newStateDir, objects, removeStateDir, startStack } from "../support/engines/stack.ts";
import { waitUntil } from "../support/worlds/api.ts";

let stack: RunningStack;
let spans: Span[] = [];
const acme = ["--tenant", "acme", "--org", "retail"];

beforeAll(async () => {
  stack = await startStack(newStateDir(), "--demo");
  const failing = await automation("demo", "--failing", "--state", stack.dir);
  expect(failing.stdout).toContain("FAILED");
  const context = "{scrum: {product: shop, sprint: S-7, backlogItems: [PBI-1]}}";
  const asked = ["run", "start", "--profile", "none", "--work-kind", "story", "--context", context];
  expect((await automation(...asked, ...acme, "--state", stack.dir)).stderr).toContain("none"); // rejected
});
afterAll(async () => {
  await stack?.stop();
  if (stack !== undefined) removeStateDir(stack.dir);
});

const portOf = {
  api: "apiHealth",
  dispatcher: "dispatcher",
  relay: "relay",
  "worker-control": "worker",
  "worker-workspace": "workspace",
};

async function scrape(name: Measured): Promise<string> {
  const ports = JSON.parse(readFileSync(join(stack.dir, "ports.json"), "utf8"));
  const answer = await fetch(`http://127.0.0.1:${ports[portOf[name]]}/metrics`);
  expect(answer.headers.get("content-type")).toContain("text/plain; version=0.0.4");
  return answer.text();
}

/** Names with type, and the labels of their samples. */
function familiesOf(text: string): Map<string, { type: string; labels: Set<string> }> {
  const families = new Map<string, { type: string; labels: Set<string> }>();
  for (const line of text.split("\n")) {
    const [, typed = "", type = ""] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (typed !== "") families.set(typed, { type, labels: new Set() });
    const [, sample = "", labels = ""] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? /.exec(line) ?? [];
    const family = families.get(sample) ?? families.get(sample.replace(/_(bucket|count|sum)$/, ""));
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) if (label !== "le") family?.labels.add(label);
  }
  return families;
}

const ours = /^(automation|rpc|messaging|db|process)_/;

/** What the two runs of the demo give no reason to count. */
const quiet = new Set([
  "automation_runs_reconciled_total",
  "automation_reconcile_findings_total",
  "automation_box_limits_hit_total",
]);

describe("a scrape under traffic", () => {
  it.each(Object.keys(portOf) as Measured[])(
    "of %s has the metrics of docs/metrics.md, by name, type and labels",
    async (name) => {
      const families = familiesOf(await scrape(name));
      const defined = definedMetrics().filter(({ processes }) => processes.includes(name));
      const there = [...families]
        .filter(([family]) => ours.test(family))
        .map(([family, { type, labels }]) => ({ family, type, labels: [...labels].toSorted() }));
      const wanted = defined.map((metric) => ({
        family: prometheusName(metric),
        type: metric.kind,
        labels: metric.labels.toSorted(),
      }));
      expect(there.toSorted((a, b) => a.family.localeCompare(b.family))).toEqual(
        wanted.filter(({ family }) => !quiet.has(family)).toSorted((a, b) => a.family.localeCompare(b.family)),
      );
      expect([...families.keys()]).toEqual(expect.arrayContaining([...nodeMetrics]));
    },
  );

  it("of the workers has Temporal's own that dashboards and alerts read", async () => {
    const [control, workspace] = await Promise.all([scrape("worker-control"), scrape("worker-workspace")]);
    const names = [...familiesOf(control).keys(), ...familiesOf(workspace).keys()];
    expect(names).toEqual(expect.arrayContaining([...temporalMetrics]));
  });

  it("has Temporal's counts of failures from the first one on: its SDK has their names", () => {
    const folder = join(clone, "node_modules", "@temporalio", "core-bridge", "releases");
    const [library = ""] = globSync(`${process.arch === "arm64" ? "aarch64" : "x86_64"}*linux-gnu/index.node`, {
      cwd: folder,
    });
    const code = readFileSync(join(folder, library));
    for (const name of [...temporalFailureMetrics, "NonDeterminismError"])
      expect(code.includes(name.replace(/^temporal_|_total$/g, "")), name).toBe(true);
  });

  it("tells no tenant, no run and no command line", async () => {
    for (const name of Object.keys(portOf) as Measured[]) {
      const text = await scrape(name);
      expect(text).not.toContain("acme");
      expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}/);
      expect(text).not.toContain("automation.ts");
    }
  });
});

describe("the trace of a run", () => {
  beforeAll(async () => {
    const { stdout } = await automation(
      "run",
      "list",
      ...acme,
      "--state",
      stack.dir,
      "--status",
      "COMPLETED",
      "--json",
    );
    const runId = String(objects(stdout)[0]?.id);
    await waitUntil(async () => {
      const traced = await automation("run", "trace", runId, ...acme, "--state", stack.dir, "--json");
      spans = objects<Span>(traced.stdout);
      return spans.some(({ name }) => name.startsWith("confirm ")) && spans.some(({ name }) => name === "accept");
    });
  });

  it("is one, from the bus to the confirm, over all processes", () => {
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);
    expect(new Set(spans.map(({ service }) => service))).toEqual(
      new Set(["api", "dispatcher", "relay", "worker-control", "worker-workspace"].map((name) => `automation-${name}`)),
    );
    const names = spans.map(({ name }) => name);
    for (const name of [
      "accept",
      "wait in the bus",
      "wait in the queue",
      "start workflow",
      "beginRun",
      "workSegment",
      "prepare workspace",
      "test on the base",
      "step",
      "capture",
      "test",
      "upload",
      "prepareSeal",
      "deliverHandoff",
      "try AttachIncrementEvidence",
      "commitSeal",
      "confirm AttachIncrementEvidence",
    ])
      expect(names, name).toContain(name);
  });

  it("hangs together: each span but the first has its parent in the trace", () => {
    const ids = new Set(spans.map(({ spanId }) => spanId));
    const orphans = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId));
    expect(orphans.map(({ name }) => name)).toEqual(["accept"]);
  });

  it("says on its spans whose run it is, and of accept what became of the event", () => {
    expect(spans.find(({ name }) => name === "accept")?.attributes).toMatchObject({
      "automation.tenant": "acme",
      "automation.org": "retail",
      "automation.profile": "scrum-team-tested",
      "automation.method": "scrum",
      "automation.outcome": "accepted",
    });
  });
});
