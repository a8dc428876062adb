import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { StepJson } from "../../src/gen/automation/v1/automation_plan_pb.ts";
import { temporaryFolder } from "../support/builders/repositories.ts";
import type { WorkWorld } from "../support/worlds/work-world.ts";
import { startWorkWorld } from "../support/worlds/work-world.ts";

const files = {
  ".gitignore": "node_modules/\n",
  "package.json": '{ "type": "module" }\n',
  "src/sum.js": "export const sum = (a, b) => a - b;\n",
  "test/sum.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { sum } from "../src/sum.js";
test("adds", () => assert.equal(sum(1, 2), 3));
`,
};
const unit: StepJson = {
  id: "unit",
  test: {
    argv: ["node", "--test", "--test-reporter=junit", "--test-reporter-destination=report.xml"],
    reportPath: "report.xml",
    format: "REPORT_FORMAT_JUNIT",
  },
};

const personas = temporaryFolder();
let world: WorkWorld;
beforeAll(async () => {
  world = await startWorkWorld([78, 79]);
});
afterAll(async () => {
  await world.close();
  personas.remove();
});

/** Mends the sum between two lines of a shell. */
async function workWith(id: string, before: string, after: string) {
  const folder = join(personas.path, id);
  mkdirSync(folder);
  const program = `import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
const sh = (script) => execFileSync("sh", ["-ec", script], { stdio: "inherit" });
sh(${JSON.stringify(before)});
writeFileSync("src/sum.js", "export const sum = (a, b) => a + b;\\n");
sh(${JSON.stringify(after)});
`;
  writeFileSync(join(folder, "main.mjs"), program);
  const steps: StepJson[] = [{ id: "fix", agent: { persona: { id } } }, unit];
  return await world.work({ files, steps, personas: { fix: folder } });
}

it.concurrent("a persona may use git in its workspace: the repository that it makes is left out, and said so, and its work counts", async () => {
  const done = await workWith(
    "uses-git",
    "git init -q; git status --short; git add -A; git commit -q -m before; git stash list",
    "git diff --stat; git stash -q; git stash pop -q; git commit -q -a -m after; git log --oneline | wc -l",
  );
  expect(done.text("logs/fix.log")).toContain("1 file changed, 1 insertion(+), 1 deletion(-)\n2\n");
  expect(done.report.capture).toMatchObject({
    changes: [{ path: "src/sum.js" }],
    skipped: [{ path: ".git", reason: "git_folder" }],
    partial: false,
  });
  expect(done.verdict.passed).toBe(true);
  expect(done.line("capture-complete")).toBe(
    "MET: the tree holds everything that was in the workspace, except what the base ignores, and git's own folder of each repository that was made in it: .git",
  );
});

it.concurrent("repositories within, and one whose .git is a file or a link, are left out the same way, with their files taken", async () => {
  const done = await workWith(
    "makes-many",
    "git init -q --separate-git-dir ~/elsewhere; for at in a b c; do git init -q new/$at; echo x > new/$at/x.txt; done; mkdir linked; ln -s /nowhere linked/.git",
    "git add -A src; git diff --cached --name-only",
  );
  expect(done.report.capture?.skipped?.map(({ path }) => path)).toEqual([
    ".git",
    "linked/.git",
    "new/a/.git",
    "new/b/.git",
    "new/c/.git",
  ]);
  expect(done.report.capture?.changes?.map(({ path }) => path)).toEqual([
    "new/a/x.txt",
    "new/b/x.txt",
    "new/c/x.txt",
    "src/sum.js",
  ]);
  expect(done.verdict.passed).toBe(true);
  expect(done.line("capture-complete")).toContain(": .git, linked/.git, new/a/.git and 2 more");
});

it.concurrent("what only some file system takes for .git is a loss, as a name that no tree may have", async () => {
  const done = await workWith("hides", "mkdir .GIT 'git~1'; echo x > .GIT/config; echo x > 'git~1/config'", "true");
  expect(done.report.capture?.partial).toBe(true);
  expect(done.line("capture-complete")).toBe("FAILED: left out: .GIT (bad_name); left out: git~1 (bad_name)");
});
