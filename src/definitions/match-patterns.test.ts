import { expect, it } from "vitest";
import {
  faultOfCommandPattern,
  faultOfPathPattern,
  faultOfTreePath,
  matchesCommand,
  matchesPath,
} from "./match-patterns.ts";

it.each([
  ["node --test", ["node", "--test"], true],
  ["node --test", ["node", "--test", "a.js"], true],
  ["node --test", ["node"], false],
  ["node --test", ["node", "--test-only"], false],
  ["node *", ["node", "x"], true],
  ["node *", ["node"], false],
  ["* run", ["npm", "run", "build"], true],
  ["sh", ["/bin/sh"], false],
  ["node --test", ["node --test"], false],
])("compares the rule %j with the start of %j", (pattern, argv, matches) => {
  expect(matchesCommand(pattern, argv)).toBe(matches);
});

it.each([
  ["src/**", "src/a.ts", true],
  ["src/**", "src/deep/.hidden/a", true],
  ["src/**", "src", false],
  ["src/**", "source/a.ts", false],
  ["src/**", "lib/src/a.ts", false],
  ["src/**", "src/line\nbreak", true],
  ["**", "a", true],
  ["**/*.ts", "a.ts", true],
  ["**/*.ts", "x/y/a.ts", true],
  ["**/*.ts", "a.tsx", false],
  ["**/test/**", "test/a", true],
  ["**/test/**", "x/test/y/z", true],
  ["**/test/**", "x/test", false],
  ["a/**/b", "a/b", true],
  ["a/**/b", "a/x/y/b", true],
  ["*", ".env", true],
  ["*", "a/b", false],
  ["*.test.*", "a.test.ts", true],
  ["*.test.*", "a.test", false],
  ["a*a", "a", false],
  ["*a*b*", "xaxbx", true],
  ["*ab", "aab", true],
  ["a.c", "abc", false],
  ["SRC/**", "src/a", false],
])("compares the rule %j with the path %j", (pattern, path, matches) => {
  expect(matchesPath(pattern, path)).toBe(matches);
});

it("takes no longer for a rule that is made to take long", () => {
  const started = performance.now();
  expect(matchesPath(`${"*a".repeat(200)}b`, "a".repeat(4_000))).toBe(false);
  expect(matchesPath(`${"**/".repeat(160)}b`, "a/".repeat(2_000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(1_000);
});

it.each([
  "/etc/**",
  "../x",
  "a/../b",
  "./a",
  "a//b",
  "a/",
  "!src/**",
  "{a,b}/**",
  "src/[ab]",
  "a?",
  "a**",
  "a\\b",
  "a\0b",
])("refuses the path rule %j", (pattern) => {
  expect(faultOfPathPattern(pattern)).toBeDefined();
});

it.each([" node", "node ", "node  --test", "", "a\nb"])("refuses the command rule %j", (pattern) => {
  expect(faultOfCommandPattern(pattern)).toBeDefined();
});

it("takes what can be meant", () => {
  for (const pattern of ["src/**", "**/*.test.ts", ".github/workflows/**", "a-b_c.d"])
    expect(faultOfPathPattern(pattern)).toBeUndefined();
  expect(faultOfCommandPattern("node --test *")).toBeUndefined();
  expect(faultOfTreePath("app/[id]/page (1).tsx")).toBeUndefined();
});
