import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { findChartTools } from "../support/engines/chart/chart-tools.ts";
import { clone, shell } from "../support/engines/stack.ts";
import { findBy } from "../support/probes/find.ts";
import { blocksOf, inlineCodeOf, pages } from "../support/probes/pages.ts";

/** Commands of kubectl and helm in pages for operators: their flags are the program's, and the objects that they name are the chart's. Placeholders are in capitals. */
const commands = pages
  .filter((page) => page.startsWith("docs/operating/"))
  .flatMap((page) => [
    ...inlineCodeOf(page).map((text) => ({ page, text })),
    ...blocksOf(page)
      .filter(({ language }) => language === "sh")
      .flatMap(({ text }) => text.replaceAll("\\\n", " ").split("\n"))
      .map((text) => ({ page, text })),
  ])
  .filter(({ text }) => /^(kubectl|helm) /.test(text));

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: {
    readonly template?: { readonly metadata?: { readonly labels?: Readonly<Record<string, string>> } };
  };
}
let tools: string;
let objects: Rendered[];

beforeAll(async () => {
  tools = await findChartTools(findBy(AbortSignal.timeout(30 * 60_000), console.error));
  const chart = join("charts", "automation-scheduler");
  const values = join(chart, "ci", "production-values.yaml");
  const { code, stdout, stderr } = await run(
    `helm template automation-scheduler ${chart} --namespace automation --values ${values}`,
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  objects = parseAllDocuments(stdout)
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null);
}, 30 * 60_000);

const run = (text: string) => shell(`export PATH="${tools}:$PATH"\n${text}`, clone);

it("finds the commands", () => {
  expect(commands.length).toBeGreaterThan(20);
});

describe.each(commands)("$page: $text", ({ text }) => {
  it("has flags that the program knows", async () => {
    const [beforePipe = ""] = text.split(/ \|(?: |$)/);
    const { code, stderr } = await run(beforePipe.replace(/ -- |$/, " --help$&"));
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });

  it("names what the chart makes", () => {
    for (const [, label = "", value = ""] of text.matchAll(/(app\.kubernetes\.io\/\w+)=([\w-]+)/g)) {
      if (/^[A-Z]+$/.test(value)) continue;
      const values = objects.map(({ spec }) => spec?.template?.metadata?.labels?.[label]);
      expect(values, label).toContain(value);
    }
    for (const [, kind = "", name = ""] of text.matchAll(/\b(deploy|deployment|job|service|secret)\/([a-z][\w-]*)/g)) {
      const names = objects
        .filter((each) => each.kind.toLowerCase().startsWith(kind))
        .map(({ metadata }) => metadata.name);
      expect(names, `${kind}/${name}`).toContain(name);
    }
  });
});
