import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Span } from "../../local/traces/otlp-json.ts";
import { definedMetrics, prometheusName } from "../../src/telemetry/instruments.ts";
import "../../src/telemetry/metrics/all-metrics.ts";
import { nodeMetrics, temporalFailureMetrics, temporalMetrics } from "../../monitoring/foreign-metrics.ts";
import { queriesOfDashboards, queriesOfRunbooks } from "../../monitoring/queries.ts";
import type { RunningPrometheus } from "../support/engines/prometheus/start-prometheus.ts";
import { startPrometheus } from "../support/engines/prometheus/start-prometheus.ts";
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

async function scrape(name: keyof typeof portOf): Promise<string> {
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
  it.each(Object.keys(portOf) as (keyof typeof portOf)[])(
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
    for (const name of Object.keys(portOf) as (keyof typeof portOf)[]) {
      const text = await scrape(name);
      expect(text).not.toContain("acme");
      expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}/);
      expect(text).not.toContain("automation.ts");
    }
  });
});

/** Panels that are empty while all is well. */
const ofFaults = new Set([
  ...["Rows that break an invariant", "Rows that were looked at", "Since the last round of the check"].map(
    (panel) => `service-overview: ${panel}`, // `up` runs no check
  ),
  "service-overview: Alerts that fire",
  "service-overview: Parts that are not ready",
  "dispatcher: Found without progress",
  "dispatcher: Restarted or ended",
  "runs: Causes of failed steps, a second",
  "runs: Boxes ended by a limit",
  "runs: Failed workflow tasks",
  "methodology: Again, though known",
  "dependencies: Failed requests a second",
  "dependencies: Calls to methodologies without an answer, a second",
  "security: Refused for their token or tenant, a second",
  "security: Refused by method",
  "security: Refused for their content or rate, a second",
  "security: Quarantined, by reason",
  "security: The same id with other content",
  "security: Ended by a limit of their policy",
  "security: Runs without a sandbox to work in",
]);

describe("a Prometheus that scrapes the stack", () => {
  interface Rules {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  }
  interface Rule {
    readonly name: string;
    readonly health: string;
    readonly lastEvaluation: string;
    readonly lastError?: string;
    readonly state?: string;
    readonly labels: Readonly<Record<string, string>>;
  }
  let prometheus: RunningPrometheus;
  let scrapedAt: Date;
  beforeAll(async () => {
    const ports = JSON.parse(readFileSync(join(stack.dir, "ports.json"), "utf8"));
    const targets = Object.values(portOf).map((port) => ({ port: ports[port], labels: { namespace: "automation" } }));
    const rules = globSync("charts/automation-scheduler/rules/*.yaml", { cwd: clone }).map((file) => join(clone, file));
    prometheus = await startPrometheus(targets, rules, AbortSignal.timeout(300_000));
    await waitUntil(async () => {
      const scraped = await ask("count_over_time(automation_build_info[1m]) > 2");
      return scraped.length === targets.length;
    });
    scrapedAt = new Date();
  });
  const ask = async (query: string): Promise<readonly unknown[]> => {
    const { result } = await prometheus.ask<{ readonly result: readonly unknown[] }>("query", { query });
    return result;
  };
  afterAll(() => prometheus?.stop());

  it("judges every rule without an error, and pages nobody about a stack that is well", async () => {
    let rules: readonly Rule[] = [];
    await waitUntil(async () => {
      const { groups } = await prometheus.ask<Rules>("rules");
      rules = groups.flatMap((group) => group.rules);
      return rules.every(({ lastEvaluation }) => new Date(lastEvaluation) > scrapedAt);
    });
    expect(rules.length).toBeGreaterThan(50);
    expect(rules.filter(({ health }) => health !== "ok").map(({ name, lastError }) => ({ name, lastError }))).toEqual(
      [],
    );
    const paging = rules.filter(({ state, labels }) => state === "firing" && labels.severity === "page");
    expect(paging.map(({ name }) => name)).toEqual([]);
  });

  it("answers every query of the dashboards and the runbooks", async () => {
    for (const { expr } of [...queriesOfDashboards, ...queriesOfRunbooks])
      await expect(ask(expr)).resolves.toBeInstanceOf(Array);
  });

  it("has data for every panel but those of faults", async () => {
    const empty: string[] = [];
    for (const { at, expr } of queriesOfDashboards) if ((await ask(expr)).length === 0) empty.push(at);
    expect(empty.filter((at) => !ofFaults.has(at))).toEqual([]);
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
      "hand over",
      "try AttachIncrementEvidence",
      "commit",
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
