import { describe, expect, it } from "vitest";
import { platformPaths } from "../../../config/platform-paths.ts";
import type { foldedName } from "../../../definitions/policy/fold-name.ts";
import { foldedPattern } from "../../../definitions/policy/path-pattern.ts";
import { compilePolicy } from "../../../definitions/policy/policy-layers.ts";
import { faultsOfPaths } from "./check-paths.ts";
import type { PatchChange } from "./patch-change.ts";
import type { TreeLink } from "./tree-names.ts";
import { createTreeNames } from "./tree-names.ts";

const file = (path: string, more: Partial<PatchChange> = {}): PatchChange => ({
  kind: "CHANGE_KIND_ADDED",
  path,
  mode: "100644",
  added: [],
  ...more,
});
const link = (path: string, target: string, more: Partial<PatchChange> = {}) =>
  file(path, { mode: "120000", added: [{ line: 1, text: target }], ...more });
const gone = (path: string) => file(path, { kind: "CHANGE_KIND_DELETED" });
const faults = (deny: readonly string[], changes: readonly PatchChange[], baseLinks: readonly TreeLink[] = []) =>
  faultsOfPaths(changes, baseLinks, compilePolicy([{ layer: "repository", policy: { paths: { deny: [...deny] } } }]));

describe("a path that is denied by a name that it has in a checkout:", () => {
  const evil = file("ci/workflows/release.yml");
  it.each<[string, string[], PatchChange[], TreeLink[], string]>([
    ["through a link made above it", [".github/**"], [link(".github", "ci"), evil], [], ".github was added: protected"],
    [
      "through a link above it",
      [".github/workflows/**"],
      [link(".github", "ci"), evil],
      [],
      "a checkout may also name it .github/workflows/release.yml",
    ],
    [
      "through a link whose target is nowhere yet",
      [".github/workflows/**"],
      [link(".github", "ci")],
      [],
      "it is a link above what is protected",
    ],
    [
      "through a link of the base",
      [".github/**"],
      [evil],
      [{ path: ".github", target: "ci" }],
      "a checkout may also name it .github/workflows/release.yml",
    ],
    [
      "through a link of the base that led nowhere",
      [".github/**"],
      [evil],
      [{ path: ".github", target: "./ci/" }],
      ".github/workflows/release.yml",
    ],
    [
      "through a chain of links",
      [".github/**"],
      [evil],
      [
        { path: ".github", target: "a" },
        { path: "a", target: "b/../c" },
        { path: "c", target: "ci" },
        { path: "b", target: "x" },
      ],
      ".github/workflows/release.yml",
    ],
    [
      "through a chain that the patch completes",
      [".github/**"],
      [link("a", "ci"), evil],
      [{ path: ".github", target: "a" }],
      ".github/workflows/release.yml",
    ],
    [
      "through a link in the base that is deleted",
      [".github/**"],
      [gone("a"), evil],
      [
        { path: ".github", target: "a" },
        { path: "a", target: "ci" },
      ],
      ".github/workflows/release.yml",
    ],
    [
      "through links to its folder and to its parent",
      [".github/workflows/**"],
      [file("workflows/x.yml")],
      [{ path: ".github", target: "." }],
      ".github/workflows/x.yml",
    ],
    [
      "through a link that is a file",
      ["Jenkinsfile"],
      [file("ci/main.groovy")],
      [{ path: "Jenkinsfile", target: "ci/main.groovy" }],
      "name it jenkinsfile",
    ],
    [
      "through a link with a backslash",
      [".github/**"],
      [evil],
      [{ path: ".github", target: ".\\ci" }],
      ".github/workflows/release.yml",
    ],
    [
      "through a link in another case",
      [".github/**"],
      [evil],
      [{ path: ".GitHub", target: "CI" }],
      ".github/workflows/release.yml",
    ],
    ["by a link at a denied folder", ["test/**"], [link("test", "src")], [], "test was added: protected"],
    ["by a file at a denied folder", ["test/**"], [file("test")], [], "test was added: protected"],
    ["by a link at a denied file", ["**/.npmrc"], [link("pkg/.npmrc", "../x")], [], "pkg/.npmrc was added: protected"],
    ["by a link to a denied folder", ["test/**"], [link("src/t", "../test")], [], "it is a link to test, protected"],
    [
      "by a link into a denied folder",
      ["test/**"],
      [link("src/t", "../test/fixtures")],
      [],
      "it is a link to test/fixtures, protected",
    ],
    [
      "by a link to what lies above a denied folder",
      [".github/workflows/**"],
      [link("g", ".github")],
      [],
      "it is a link to .github, protected",
    ],
    [
      "by a link to a link to a denied folder",
      ["test/**"],
      [link("src/t", "u")],
      [{ path: "src/u", target: "../test" }],
      "it is a link to test, protected",
    ],
    [
      "by a link that is made anew",
      ["test/**"],
      [link("t", "test", { kind: "CHANGE_KIND_MODIFIED" })],
      [{ path: "t", target: "src" }],
      "it is a link to test, protected",
    ],
    [
      "by deleting a link above it",
      [".github/workflows/**"],
      [gone(".github")],
      [{ path: ".github", target: "ci" }],
      "it is a link above",
    ],
    [
      "by turning a link above it into a file",
      [".github/workflows/**"],
      [file(".github", { kind: "CHANGE_KIND_MODIFIED" })],
      [{ path: ".github", target: "ci" }],
      "it is a link above",
    ],
    [
      "by moving a link to it away",
      ["test/**"],
      [file("u", { kind: "CHANGE_KIND_RENAMED", previousPath: "t", mode: "120000" })],
      [{ path: "t", target: "test" }],
      "it is a link to test",
    ],
    [
      "as one of endlessly many",
      ["a/b/**"],
      [file("b/x")],
      [
        { path: "a", target: "." },
        { path: "b/loop", target: ".." },
      ],
      "name it a/b/x",
    ],
  ])("%s", (_case, deny, changes, baseLinks, fault) => {
    expect(faults(deny, changes, baseLinks).join("; ")).toContain(fault);
  });

  it.each<[string, string[], PatchChange[], TreeLink[]]>([
    ["a link beside what is denied", ["test/**", "**/.npmrc"], [link("src/lib", "../lib")], []],
    ["a link to the root", ["test/**"], [link("src/root", "..")], []],
    ["a change below a link that leads back up", ["test/**"], [file("src/a")], [{ path: "src/root", target: ".." }]],
    [
      "links in a circle",
      ["test/**"],
      [file("src/a")],
      [
        { path: "a", target: "b" },
        { path: "b", target: "a/c" },
      ],
    ],
    [
      "a link of the base out of the tree",
      ["test/**"],
      [file("src/a")],
      [
        { path: "test", target: "/srv/test" },
        { path: "x", target: "../../y" },
      ],
    ],
    [
      "a change of what a link to a denied folder leads past",
      ["test/**"],
      [file("src/a")],
      [{ path: "src/t", target: "../test" }],
    ],
    [
      "a name that only begins alike",
      ["test/**", ".github/**"],
      [file("test-data/a"), file(".githubx"), file("github~1x")],
      [],
    ],
  ])("but not %s", (_case, deny, changes, baseLinks) => {
    expect(faults(deny, changes, baseLinks)).toEqual([]);
  });
});

describe("a twin of a denied path", () => {
  it.each([
    [".GitHub/Workflows/x.yml", "another case"],
    [".\u200cgithub/workflows/x.yml", "a code point that HFS+ passes over"],
    ["\ufeff.github/workflows/x.yml", "a byte order mark"],
    [".github./workflows/x.yml", "a dot at the end"],
    [".github /workflows. . /x.yml", "spaces at the end"],
    [".github::$INDEX_ALLOCATION/workflows/x.yml", "a stream of NTFS"],
    ["GITHUB~1/WORKFL~1/x.yml", "short names of NTFS"],
    [".github\\workflows\\x.yml", "backslashes"],
    [".gıthub/workflows/x.yml", "a dotless i"],
    [".github/wor\u212aflows/x.yml", "the sign of Kelvin"],
    ["．github/workflows/x.yml", "a full-width dot"],
  ])("is denied: %j, with %s", (path) => {
    expect(faults([".github/workflows/**"], [file(path)])).toEqual([
      `${path} was added: protected by repository's rule ".github/workflows/**"`,
    ]);
  });

  it.each([
    ["caf\u00e9/**", "cafe\u0301/x"],
    ["cafe\u0301/**", "CAF\u00c9/x"],
    ["stra\u00dfe/*.pem", "STRASSE/a.PEM"],
    ["**/.env.*", ".env.local."],
    ["SRC/**", "src/a"],
  ])("is denied whichever way the rule is written: %j, %j", (rule, path) => {
    expect(faults([rule], [file(path)])).toHaveLength(1);
  });

  it("is not allowed by a list of what may be written", () => {
    const policy = compilePolicy([{ layer: "plan", policy: { paths: { write: { patterns: ["src/**"] } } } }]);
    expect(faultsOfPaths([file("SRC/a"), file("src"), file("src/a")], [], policy)).toEqual([
      "SRC/a was added: outside of what plan lets be written: src/**",
      "src was added: outside of what plan lets be written: src/**",
    ]);
  });
});

describe("the platform's list", () => {
  it.each([
    ".github/workflows/ci.yml",
    ".github/actions/a/action.yml",
    ".gitlab-ci.yml",
    ".circleci/config.yml",
    "Jenkinsfile",
    "deploy/Jenkinsfile.prod",
    "azure-pipelines.yml",
    ".npmrc",
    "packages/a/.npmrc",
    ".yarnrc.yml",
    ".gitattributes",
    "src/.gitattributes",
    ".gitmodules",
    ".vscode/tasks.json",
    ".husky/pre-commit",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    ".lefthook.toml",
    ".devcontainer/devcontainer.json",
    ".envrc",
    ".woodpecker.yaml",
    ".cargo/config.toml",
    "CODEOWNERS",
    ".mcp.json",
  ])("denies %s", (path) => {
    expect(faults(platformPaths.deny ?? [], [file(path)])).toHaveLength(1);
  });

  it.each(["src/a.ts", "docs/github/workflows.md", "package.json", "README.md", ".gitignore", ".editorconfig"])(
    "has no opinion of %s",
    (path) => {
      expect(faults(platformPaths.deny ?? [], [file(path)])).toEqual([]);
    },
  );
});

it("follows a rule over each place of the tree at most once for each of its parts, whatever its links", () => {
  const links = Array.from({ length: 200 }, (_, at) => ({
    path: `a/${"d/".repeat(at % 7)}l${at}`,
    target: at % 2 ? ".." : `l${at + 1}`,
  }));
  const rule = foldedPattern("**/a/**/a/**/a/**/a/b");
  let steps = 0;
  const counted = {
    ...rule,
    step: (place: number, name: ReturnType<typeof foldedName>) => {
      steps += 1;
      return rule.step(place, name);
    },
  };
  const path = `${"a/".repeat(90)}x`;
  createTreeNames(links, [path]).reach(counted);
  expect(steps).toBeGreaterThan(1_000);
  expect(steps).toBeLessThanOrEqual((200 + 200 + 20 + 91) * rule.end);
});
