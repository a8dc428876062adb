import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { parseAst } from "vitest/node";
import { withoutEscapes } from "../src/text/escape-sequences.ts";
import { createRedactor } from "../workers/workspace/runtimes/redact.ts";
import { hostileTexts } from "./support/builders/hostile-texts.ts";

/** Every regular expression but those of personas, which run in boxes, may meet strangers' text: the time that one takes must grow with the text, and no faster. */
const root = resolve(import.meta.dirname, "..");
const files = globSync(
  ["src/**/*.{ts,mjs}", "workers/**/*.{ts,mjs}", "local/**/*.{ts,mjs}", "examples/**/*.{ts,mjs}"],
  { cwd: root },
).filter((file) => !/node_modules|\.test\.ts$|^src\/gen\/|\/personas\/[\w-]+\/\w+\.mjs$/.test(file));
const length = 8_000;
const growth = 4;
/** CPU time of one search; whatever goes over all of the text again from each of its characters needs more. */
const swiftMs = 10;

interface Expression {
  readonly at: string;
  readonly pattern: string;
  readonly flags: string;
}

const found = files.flatMap((file) => expressionsOf(file, readFileSync(join(root, file), "utf8")));
const literals = found.flatMap((each) => ("pattern" in each ? [each] : []));

describe("regular expressions", () => {
  it("are found", () => {
    expect(literals.length).toBeGreaterThan(150);
  });

  it("are written out, so that they are tried here", () => {
    const built = found.flatMap((each) => ("pattern" in each ? [] : [each.at]));
    const ofTheKernel = [
      "workers/workspace/sandbox/limits/control-groups.ts",
      "workers/workspace/sandbox/proof/probe.mjs",
    ];
    expect([...new Set(built)].sort()).toEqual(ofTheKernel);
  });

  it("take time that grows with the text alone", { timeout: 60_000 }, () => {
    expect(literals.flatMap(slowTextOf)).toEqual([]);
  });

  it("are tried hard enough to find those that do not", () => {
    const slow = ["=+$", "(a+)+$", "\\s+x", "^(\\w+\\s?)*$", "<!--.*-->", "\\w+@"];
    for (const pattern of slow) expect([pattern, ...slowTextOf({ at: "", pattern, flags: "" })]).toHaveLength(2);
  });
});

describe("text of a box", () => {
  const secret = "aaaaaaaaaaaaaaaab";
  const redactor = createRedactor([secret]);
  const pieces = ["\u001b]", "\u001b[", "\u001b", "\u009d", "a", "a-", "\u001b[1;", "\r", "%61", "\u001b]8;;a\u0007"];

  it("is cleaned and redacted in time that grows with the text alone", () => {
    for (const piece of pieces) {
      const text = piece.repeat(20_000);
      expect(isSlow(text, withoutEscapes)).toBe(false);
      expect(isSlow(text, redactor.text)).toBe(false);
    }
    expect(isSlow("\u001b]".repeat(4_000), stripVTControlCharacters)).toBe(true);
  });
});

/** @returns what it is slow with, if anything */
function slowTextOf({ at, pattern, flags }: Expression): string[] {
  const expression = new RegExp(pattern, flags);
  const search = (text: string) => (flags.includes("g") ? text.replace(expression, "") : expression.test(text));
  for (const text of hostileTexts(pattern, flags, length))
    if (isSlow(text, search)) return [`${at}: /${pattern}/${flags} on ${JSON.stringify(text.slice(0, 60))}…`];
  return [];
}

/** Counts CPU time of this thread, the least of three tries, and compares a text with a quarter of it. */
function isSlow(text: string, work: (text: string) => unknown): boolean {
  if (cpuMs(text, work) < swiftMs) return false;
  const least = (some: string) => Math.min(...[1, 2, 3].map(() => cpuMs(some, work)));
  const long = least(text);
  // half of the text is its end
  const short = least(text.slice(0, text.length / growth / 2) + text.slice(text.length - text.length / growth / 2));
  return long > swiftMs && long > 2 * growth * short;
}

function cpuMs(text: string, work: (text: string) => unknown): number {
  const before = process.threadCpuUsage();
  work(text);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}

function expressionsOf(file: string, source: string): (Expression | { readonly at: string })[] {
  const out: (Expression | { readonly at: string })[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    const { type, regex, callee } = node as {
      type?: string;
      regex?: { pattern: string; flags: string };
      callee?: { name?: string };
    };
    if (type === "Literal" && regex !== undefined) out.push({ at: file, ...regex });
    if ((type === "NewExpression" || type === "CallExpression") && callee?.name === "RegExp") out.push({ at: file });
    for (const part of Object.values(node)) visit(part);
  };
  visit(parseAst(source, { lang: file.endsWith(".ts") ? "ts" : "js" }));
  return out;
}
