import { describe, expect, it } from "vitest";
import { compilePolicy } from "../../../definitions/policy/policy-layers.ts";
import { checkPatch } from "./check-patch.ts";
import type { PatchChange } from "./patch-change.ts";

const policy = compilePolicy([
  { layer: "platform", policy: { limits: { patchBytes: "1000", changedFiles: 3 }, paths: { deny: [".github/**"] } } },
  { layer: "repository", policy: { paths: { write: { patterns: ["src/**", "test/**"] }, deny: ["test/**"] } } },
  { layer: "persona/fixer", policy: { paths: { write: { patterns: ["src/**", ".github/**", "test/**", "a/**"] } } } },
]);
const modified = (path: string, more: Partial<PatchChange> = {}): PatchChange => ({
  kind: "CHANGE_KIND_MODIFIED",
  path,
  mode: "100644",
  added: [],
  ...more,
});
const link = (path: string, target: string) =>
  modified(path, { mode: "120000", added: target.split("\n").map((text, at) => ({ line: at + 1, text })) });
const check = (id: string, changes: readonly PatchChange[], sizeBytes = 10) => {
  const line = checkPatch({ changes, baseLinks: [], sizeBytes }, policy).find(
    ({ requirementId }) => requirementId === `exit-gate-${id}`,
  );
  return { isMet: line?.state === "LINE_STATE_MET", detail: line?.detail ?? "", remedy: line?.remedy };
};

describe("the exit gate", () => {
  it("lets out what every layer allows, with a line for each of its requirements", () => {
    const lines = checkPatch({ changes: [modified("src/a.ts")], baseLinks: [], sizeBytes: 10 }, policy);
    expect(lines.map(({ requirementId, state }) => [requirementId, state])).toEqual([
      ["exit-gate-paths", "LINE_STATE_MET"],
      ["exit-gate-symlinks", "LINE_STATE_MET"],
      ["exit-gate-size", "LINE_STATE_MET"],
      ["exit-gate-secrets", "LINE_STATE_MET"],
    ]);
  });

  it("names path, layer and rule of a protected test that was changed, deleted or renamed away", () => {
    expect(check("paths", [modified("test/a.test.ts")])).toMatchObject({
      isMet: false,
      detail: `test/a.test.ts was changed: protected by repository's rule "test/**"`,
      remedy: expect.stringContaining("Undo"),
    });
    expect(check("paths", [modified("test/a.test.ts", { kind: "CHANGE_KIND_DELETED" })]).detail).toContain(
      "was deleted",
    );
    const renamed = modified("src/a.test.ts", { kind: "CHANGE_KIND_RENAMED", previousPath: "test/a.test.ts" });
    expect(check("paths", [renamed]).detail).toBe(
      `test/a.test.ts was renamed: protected by repository's rule "test/**"`,
    );
  });

  it("names the layer whose list leaves a path out", () => {
    expect(check("paths", [modified("a/b")]).detail).toBe(
      "a/b was changed: outside of what repository lets be written: src/**, test/**",
    );
    expect(check("paths", [modified(".github/workflows/x.yml")]).detail).toContain(`platform's rule ".github/**"`);
  });

  it("shows ten of many faults and counts the rest", () => {
    const { detail } = check(
      "paths",
      Array.from({ length: 14 }, (_, at) => modified(`x${at}`)),
    );
    expect(detail).toContain("x9 was");
    expect(detail).not.toContain("x10 was");
    expect(detail).toContain("and 4 more");
  });

  it.each([
    ["a neighbour", link("src/a", "b.ts"), true],
    ["a file above, in the tree", link("src/deep/a", "../../README.md"), true],
    ["the root", link("src/a", ".."), true],
    ["an absolute path", link("src/a", "/etc/passwd"), false],
    ["what lies above the root", link("src/a", "../../x"), false],
    ["what lies above the root, from the root", link("a", "../x"), false],
    ["up after a name, which may itself be a link", link("src/a", "up/../../x"), false],
    ["git's folder", link("src/a", "../.git/config"), false],
    ["what NTFS takes for git's folder", link("src/a", "../GIT~1/config"), false],
    ["up, with backslashes", link("src/a", "..\\..\\x"), false],
    ["a neighbour, with a backslash", link("src/a", "b\\c"), false],
    ["a drive", link("src/a", "C:/Windows"), false],
    ["more than a link can hold", link("src/a", "b/".repeat(2_048)), false],
    ["a target of several lines", link("src/a", "x\n/../../y"), false],
    ["a neighbour with a line break in its name", link("src/a", "x\ny"), false],
    ["nowhere", link("src/a", ""), false],
    [
      "somewhere that a rename does not show",
      modified("src/a", { kind: "CHANGE_KIND_RENAMED", mode: "120000" }),
      false,
    ],
    ["a submodule", modified("src/a", { mode: "160000" }), false],
  ])("judges a link to %s", (_case, change, isMet) => {
    expect(check("symlinks", [change]).isMet).toBe(isMet);
  });

  it("holds the limits of the patch", () => {
    expect(check("size", [], 1_001).detail).toBe("the patch has 1001 bytes, the limit is 1000 (patch_bytes)");
    expect(
      check(
        "size",
        ["a", "b", "c", "d"].map((path) => modified(path)),
      ).detail,
    ).toBe("4 files changed, the limit is 3 (changed_files)");
    expect(check("size", [], 1_000).isMet).toBe(true);
  });

  it("says where a secret is, and never what it is", () => {
    const secret = ["ghp_", "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6"].join("");
    const { isMet, detail } = check("secrets", [
      modified("src/a.ts", { added: [{ line: 7, text: `token = "${secret}"` }] }),
      modified("src/b.bin", { binary: Buffer.from(`\0\0${secret}\0`) }),
    ]);
    expect(isMet).toBe(false);
    expect(detail).toBe("src/a.ts:7 looks like a GitHub token; src/b.bin (binary) looks like a GitHub token");
    for (const change of [
      modified(`keys/${secret}.txt`, { kind: "CHANGE_KIND_ADDED" }),
      modified(`keys/${secret}/a`, { kind: "CHANGE_KIND_RENAMED", previousPath: "a" }),
    ])
      expect(check("secrets", [change]).detail).toBe("the name of a new file looks like a GitHub token");
  });
});
