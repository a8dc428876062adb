import { expect, it } from "vitest";
import {
  faultOfCommandPattern,
  faultOfPathPattern,
  faultOfTreePath,
  matchesCommand,
  matchesPath,
} from "./match-patterns.ts";
import { exactPattern, partsOf } from "./path-pattern.ts";
import { faultsOfPolicy } from "./policy-rules.ts";

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
  expect(matchesPath(exactPattern(pattern), path)).toBe(matches);
});

it("looks at each name at most once for each part of a rule, however the rule is made", () => {
  const names = 2_000;
  for (const rule of [`${"**/".repeat(160)}b`, "**/a/**/a/**/a/**/a/b", `${"a/".repeat(250)}**`]) {
    const pattern = exactPattern(rule);
    let steps = 0;
    const counted = {
      ...pattern,
      step: (place: number, name: string) => {
        steps += 1;
        return pattern.step(place, name);
      },
    };
    expect(matchesPath(counted, "a/".repeat(names - 1).concat("a"))).toBe(rule.endsWith("a/**"));
    expect(steps).toBeLessThanOrEqual(partsOf(rule).length * names);
  }
  expect(matchesPath(exactPattern(`${"*a".repeat(200)}b`), "a".repeat(4_000))).toBe(false);
});

it("takes several ** side by side for one", () => {
  expect(partsOf("**/**/a/**/**")).toEqual(["**", "a", "**"]);
  expect(matchesPath(exactPattern(`${"**/".repeat(80)}a`), "a")).toBe(true);
});

it.each([
  ["40 names", `${"a/".repeat(39)}a`, "has 40 names, and a rule has at most 32"],
  ["** in five places", "**/a/**/b/**/c/**/d/**", "has ** in 5 places, and a rule has at most 4"],
])("refuses a rule of %s, with what to do", (_case, pattern, fault) => {
  expect(faultOfPathPattern(pattern)).toContain(fault);
  expect(faultsOfPolicy({ paths: { deny: ["a", pattern] } }, "plan.policy")).toEqual([
    expect.stringMatching(/^plan\.policy\.paths\.deny\.1 ".*" has .*; /),
  ]);
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
