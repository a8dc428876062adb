import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../support/builders/repositories.ts";
import type { WorkWorld } from "../support/worlds/work-world.ts";
import { startWorkWorld } from "../support/worlds/work-world.ts";

const personas = temporaryFolder();
let world: WorkWorld;
beforeAll(async () => {
  world = await startWorkWorld([74, 75]);
});
afterAll(async () => {
  await world.close();
  personas.remove();
});

const release = `mkdirSync("ci/workflows", { recursive: true }); writeFileSync("ci/workflows/release.yml", "on: push");`;

it.concurrent.each<[string, string, string[], RegExp]>([
  [
    "through a link made above it",
    `${release} symlinkSync("ci", ".github");`,
    [".github/**"],
    /\.github was added: protected by/,
  ],
  [
    "through links in a row",
    `${release} symlinkSync("ci", "a"); symlinkSync("./a", ".github");`,
    [".github/workflows/**"],
    /\.github was added: it is a link above/,
  ],
  [
    "by a link to its folder",
    `symlinkSync("../test", "src/t");`,
    ["test/**"],
    /src\/t was added: it is a link to test, protected/,
  ],
  [
    "by a file in place of its folder",
    `rmSync("test", { recursive: true }); writeFileSync("test", "");`,
    ["test/**"],
    /test was added: protected/,
  ],
  [
    "by a name in another case",
    `mkdirSync(".GitHub"); writeFileSync(".GitHub/x", "");`,
    [".github/**"],
    /\.GitHub\/x was added: protected/,
  ],
  [
    "through a link that the base has",
    release,
    ["deploy/**"],
    /release\.yml was added: a checkout may also name it deploy\/workflows\/release\.yml, protected/,
  ],
])("a persona that changes what is denied %s does not pass", async (_how, script, deny, fault) => {
  const id = `persona-${Math.abs([...script].reduce((sum, each) => (sum * 31 + each.charCodeAt(0)) | 0, 7))}`;
  const folder = join(personas.path, id);
  mkdirSync(folder);
  writeFileSync(
    join(folder, "main.mjs"),
    `import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";\n${script}`,
  );
  const done = await world.work({
    files: { "src/a.js": "1\n", "test/a.js": "1\n" },
    links: { deploy: "ci" },
    steps: [{ id: "fix", agent: { persona: { id } } }],
    personas: { fix: folder },
    policy: { paths: { deny } },
  });
  expect(done.report.baseLinks).toEqual([{ path: "deploy", target: "ci" }]);
  expect(done.line("exit-gate-paths")).toMatch(fault);
  expect(done.line("exit-gate-patch")).toMatch(/^MET/);
});
