import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { runProgram } from "../local/engines/run-program.ts";
import { findPrometheus } from "../test/support/engines/prometheus/find-prometheus.ts";
import { findBy } from "../test/support/probes/find.ts";

/** The chart's rules, by Prometheus's own checker. */
const clone = join(import.meta.dirname, "..");
const rules = join(clone, "charts", "automation-scheduler", "rules");

interface Alert {
  readonly alert: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary?: string; readonly description?: string; readonly runbook_url?: string };
}
interface Case {
  readonly name: string;
  readonly promql_expr_test: readonly { readonly expr: string; readonly exp_samples: readonly { labels: string }[] }[];
}

const alerts = globSync("*.yaml", { cwd: rules })
  .flatMap((file): { rules: (Alert | { record: string })[] }[] => parse(readFileSync(join(rules, file), "utf8")).groups)
  .flatMap((group) => group.rules)
  .filter((rule) => "alert" in rule);
const cases = globSync("tests/*.yaml", { cwd: rules }).flatMap(
  (file): Case[] => parse(readFileSync(join(rules, file), "utf8")).tests,
);

let promtool: string;
beforeAll(async () => {
  ({ promtool } = await findPrometheus(findBy(AbortSignal.timeout(300_000), console.error)));
}, 300_000);

const run = (...args: string[]) =>
  runProgram([promtool, ...args], { cwd: rules, limitMs: 60_000, signal: AbortSignal.timeout(60_000) });

it("Prometheus accepts every rule", async () => {
  expect(await run("check", "rules", ...globSync("*.yaml", { cwd: rules }))).toMatchObject({ code: 0 });
});

it("every alert fires, is quiet on a deploy and resolves, as its tests say", async () => {
  expect(await run("test", "rules", ...globSync("tests/*.yaml", { cwd: rules }))).toMatchObject({ code: 0 });
});

it.each(alerts)("$alert ($labels.severity) has a test in which it fires after a deploy and resolves", (alert) => {
  const own = cases.filter(({ name, promql_expr_test }) => {
    const [deploy, fault, ...mended] = promql_expr_test;
    return (
      name.startsWith(`${alert.alert} `) &&
      promql_expr_test.every(({ expr }) => expr.includes(`alertname="${alert.alert}"`)) &&
      deploy?.exp_samples.length === 0 &&
      fault?.exp_samples.some(({ labels }) => labels.includes(`severity="${alert.labels.severity}"`)) &&
      mended.some(({ exp_samples }) =>
        exp_samples.every(({ labels }) => !labels.includes(`severity="${alert.labels.severity}"`)),
      )
    );
  });
  expect(own.map(({ name }) => name)).not.toEqual([]);
});

it.each(alerts)("$alert says what is wrong, to whom, and what to do", ({ alert, labels, annotations }) => {
  expect(["page", "ticket"]).toContain(labels.severity);
  expect(annotations.summary).toMatch(/\w/);
  expect(annotations.description).toMatch(/\w/);
  expect(annotations.runbook_url).toBe(`docs/operating/runbooks/${pageOf(alert)}`);
});

describe("runbooks", () => {
  const folder = join(clone, "docs", "operating", "runbooks");
  const names = [...new Set(alerts.map(({ alert }) => alert))];

  it("there is one for each alert, and an alert for each", () => {
    expect(globSync("*.md", { cwd: folder }).toSorted()).toEqual(names.map(pageOf).toSorted());
  });

  it.each(names)("that of %s tells meaning, impact, three queries, mitigation and verification", (name) => {
    const page = join(folder, pageOf(name));
    const text = existsSync(page) ? readFileSync(page, "utf8") : "";
    expect(text).toMatch(new RegExp(`^# ${name}$`, "m"));
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual([
      "Meaning",
      "Impact",
      "First queries",
      "Mitigation",
      "Verification",
    ]);
    const [, queries = ""] = /^## First queries\n([\s\S]*?)^## /m.exec(text) ?? [];
    expect(queries.match(/^\d\. /gm)).toEqual(["1. ", "2. ", "3. "]);
  });

  it("docs/operating/alerts.md lists every alert with its severities", () => {
    const text = readFileSync(join(clone, "docs", "operating", "alerts.md"), "utf8");
    for (const name of names) {
      const severities = new Set(alerts.filter(({ alert }) => alert === name).map(({ labels }) => labels.severity));
      expect(text).toContain(`| [${name}](runbooks/${pageOf(name)}) | ${[...severities].join(", ")} |`);
    }
    expect(text.match(/^\| \[Automation/gm)).toHaveLength(names.length);
  });
});

/** `AutomationOutboxOld`: `outbox-old.md` */
function pageOf(alert: string): string {
  return `${alert
    .replace(/^Automation/, "")
    .replaceAll(/\B[A-Z]/g, (letter) => `-${letter}`)
    .toLowerCase()}.md`;
}
