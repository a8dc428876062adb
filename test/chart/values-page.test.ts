import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { clone } from "../support/engines/stack.ts";

/** Both pages that list the chart's values, made from its schema and its values.yaml. */

interface Schema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const chart = join(clone, "charts", "automation-scheduler");
const schema: Schema = JSON.parse(readFileSync(join(chart, "values.schema.json"), "utf8"));
const values: unknown = parse(readFileSync(join(chart, "values.yaml"), "utf8"));

const resolve = (one: Schema): Schema => {
  const name = one.$ref?.replace("#/$defs/", "");
  return name === undefined ? one : { ...schema.$defs?.[name], ...one };
};

const at = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;

function allowed({ type, enum: choices, minimum, maximum }: Schema): string {
  if (choices !== undefined) return choices.map((choice) => (choice === "" ? "empty" : `\`${choice}\``)).join(", ");
  const range = [minimum === undefined ? "" : `from ${minimum}`, maximum === undefined ? "" : `to ${maximum}`];
  return [[type ?? "any"].flat().join(" or "), ...range].filter((part) => part !== "").join(" ");
}

/** Ends of the tree: what has no properties of its own, or is the same everywhere and explained once. */
function rows(path: string, one: Schema, value: unknown): string[] {
  const { properties, ...rest } = resolve(one);
  if (properties !== undefined)
    return Object.entries(properties).flatMap(([key, below]) =>
      rows(path === "" ? key : `${path}.${key}`, below, at(value, key)),
    );
  const shown = value === undefined || value === "" ? "" : `\`${JSON.stringify(value)}\``;
  const cells = [`\`${path}\``, rest.description ?? "", allowed(rest), shown];
  return [`| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`];
}

const sections = Object.entries(schema.properties ?? {}).map(([key, one]) => {
  const { description = "", properties } = resolve(one);
  const about = properties === undefined ? "" : `${description}\n\n`;
  const table = rows(key, one, at(values, key)).join("\n");
  return {
    isGroup: properties !== undefined,
    key,
    text: `${about}| Value | Meaning | Allowed | Default |\n| --- | --- | --- | --- |\n${table}\n`,
    table,
  };
});

const single = sections.filter(({ isGroup }) => !isGroup);
const listing = [
  `## General\n\n| Value | Meaning | Allowed | Default |\n| --- | --- | --- | --- |\n${single.map(({ table }) => table).join("\n")}\n`,
  ...sections.filter(({ isGroup }) => isGroup).map(({ key, text }) => `## ${key}\n\n${text}`),
].join("\n");
const made =
  "made from values.schema.json and values.yaml: `npx vitest run --project unit test/chart/values-page.test.ts -u`";

it("docs/operating/configuration.md lists every value with its default and what is allowed", async () => {
  const page = `# Configuration of the chart

This page is ${made}. [install.md](install.md) says which values an installation needs. A key that is not listed here is refused.

${listing}`;
  await expect(page).toMatchFileSnapshot(join(clone, "docs/operating/configuration.md"));
});

it("the chart's README.md lists them as well", async () => {
  const page = `# automation-scheduler

An event-driven, methodology-aware automation scheduler on Temporal. This chart installs its api, dispatcher, relay and two kinds of workers; PostgreSQL, Kafka, Temporal and an S3 bucket are there already, and it takes their addresses.

\`docs/operating/install.md\` of the project leads through an installation. \`ci/\` has values for six kinds of them. The list below is ${made}.

${listing}`;
  await expect(page).toMatchFileSnapshot(join(chart, "README.md"));
});

it("says of every value what it means, and has a default for it or none on purpose", () => {
  const undescribed = sections
    .flatMap(({ table }) => table.split("\n"))
    .filter((row) => /^\| `[^`]+` \| {2}\|/.test(row));
  expect(undescribed).toEqual([]);
});
