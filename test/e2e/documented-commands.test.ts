import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { defaultPorts, writeWhole } from "../../local/up/ports.ts";
import type { RunningStack } from "../support/engines/stack.ts";
import { clone, removeStateDir, shell, startCloneOf } from "../support/engines/stack.ts";
import type { Block } from "../support/probes/pages.ts";
import { blocksOf, pages, saveFilesOf } from "../support/probes/pages.ts";

/**
 * Follows every page as a new user does: in a clone where the demo runs, with its state where it lies unless told, and on other ports than the pages may think of.
 * A block `sh` is run, unless it is listed here; a block with a path is saved as that file; a block `console` shows what was printed.
 */
const notRunHere = new Map([
  ["npm start", "the stack of this test was started by what it runs"],
  ["npm run bench -- ", "takes minutes, and wants a machine to itself"],
  ...["DATABASE_URL=", "SERVER_URL=", "aws s3 sync"].map(
    (begin) =>
      [begin, "needs PostgreSQL's and Kafka's own programs and a client of S3, which set-up does not bring"] as const,
  ),
  ["{ echo '<testsuites>'", "a step of a plan, where a Java build has left its reports"],
  ["temporal operator search-attribute", "for a Temporal that `up` did not start; a start registers these"],
  ["slsa-verifier verify-vsa", "test/integration/verify.test.ts builds this program and runs the block"],
  ["images/build.sh", "`npm run test:images` builds by it, and needs no image registry"],
  ["grpcurl", "no registry that set-up uses has this program"],
  ...[
    "kubectl create namespace",
    "ADMIN_PASSWORD=",
    "for namespace in automation",
    "ROLE=api",
    "psql ",
    "kubectl --namespace automation patch",
    "kubectl --namespace automation rollout",
    "openssl genpkey",
    "mkdir -m 700 ~/automation-keys",
    "ACCESS_KEY=",
    "SCRUM_TOKEN=",
    "VIEWER_TOKEN=",
    "NEW=",
    "helm install",
    "helm upgrade",
  ].map((begin) => [begin, "test/chart/install.test.ts runs the block, on a cluster"] as const),
  ["export AUTOMATION_API_URL=http://127", "test/chart/played-pods.test.ts runs the block, on the pods of the chart"],
  ...["kubectl --namespace automation scale", "kubectl --namespace automation get deployment"].map(
    (begin) =>
      [begin, "a restore, in a cluster; test/outages/restored-past.test.ts takes its steps on a local stack"] as const,
  ),
  ["temporal worker deployment set-current-version", "test/roll/worker-builds.test.ts runs the block"],
  ["cosign verify-blob-attestation", "no registry that set-up uses has this program"],
]);
/** What the commands of a page print beside much else, each at least once. */
const printed: Readonly<Record<string, readonly RegExp[]>> = {
  "README.md": [
    /^\{"runs":\[\{"id":/m,
    /^\S+ +accepted +sample-1 /m,
    /^[0-9a-f-]{36} \{/m,
    /^unchanged +Persona test-fixer@/m,
    /COMPLETED$/m,
    / patch +changes\.patch /m,
    /agent-run\.dsse\.json +sha256:/,
  ],
  "docs/api.md": [/"runs": ?\[/],
  "docs/personas.md": [
    /"type":"result","result":\{"noted":"Customers pay by invoice"\}/,
    /^created +Persona note-keeper@1 /m,
    /^created +WorkflowDefinition story-note@1/m,
    /COMPLETED$/m,
    /^sha256:([0-9a-f]{64})\n[\s\S]*^\1 +bundle\.tar$/m,
  ],
  "docs/verify.md": [
    /Signature Verified Successfully/,
    /^commit [0-9a-f]{40}, tree /m,
    /^\d+ events, head /m,
    /^PASSED \['SCRUM_DEFINITION_OF_DONE'\] automation:\/\/acme\/scrum\/backlog_item\/PBI-42$/m,
    /^tree [0-9a-f]{40}$/m,
  ],
};

let folder: string;
let stack: RunningStack;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "automation-pages-"));
  const left = new Set(["node_modules", ".automation", ".git"]);
  cpSync(clone, folder, { recursive: true, filter: (path) => !left.has(relative(clone, path)) });
  const packages = [join(clone, "node_modules"), folder];
  // Links where they can be; not one link to the folder, whose contents an installation would remove.
  if (spawnSync("cp", ["-al", ...packages]).status !== 0) spawnSync("cp", ["-a", ...packages]);
  const elsewhere = 20_000 + 100 * randomInt(30); // below the ports that the kernel gives to clients
  const ports = Object.entries(defaultPorts).map(([name, port]) => [name, port + elsewhere]);
  writeWhole(join(folder, ".automation", "ports.json"), Object.fromEntries(ports));
  stack = await startCloneOf(folder);
});
afterAll(async () => {
  await stack?.stop();
  removeStateDir(join(folder, ".automation"));
  rmSync(folder, { recursive: true, force: true });
});

const isCommands = ({ language }: Block) => language === "sh";
const reasonNotToRun = ({ text }: Block) => [...notRunHere.keys()].find((begin) => text.startsWith(begin));
const isRun = (block: Block) => isCommands(block) && reasonNotToRun(block) === undefined;

describe.each(pages.filter((page) => blocksOf(page).some(isRun)))("%s", (page) => {
  it("has commands that work as printed, in their order", async () => {
    saveFilesOf(page, folder);
    const commands = blocksOf(page).filter(isRun);
    const lines = commands.map(({ line, text }) => `printf '%s\\n' '${page}:${line}' >&2\n${text}`);
    const { code, stdout, stderr } = await shell(lines.join("\n"), folder);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    for (const pattern of printed[page] ?? []) expect(stdout).toMatch(pattern);
  }, 300_000);
});

it("prints at its start what README.md shows, but for ids, digests, times and ports", () => {
  const told = new Set(stack.told.flatMap(({ message }) => message.split("\n")).map(shape));
  const shown =
    blocksOf("README.md")
      .find(({ language }) => language === "console")
      ?.text.split("\n") ?? [];
  const wanted = shown.filter((line) => line.trim() !== "" && line.trim() !== "…");
  expect(wanted.length).toBeGreaterThan(30);
  expect(wanted.filter((line) => !told.has(shape(line)))).toEqual([]);
});

it("leaves out of the pages' commands only those that it lists, and lists none that is not there", () => {
  const begins = pages.flatMap((page) =>
    blocksOf(page)
      .filter(isCommands)
      .flatMap((block) => reasonNotToRun(block) ?? []),
  );
  expect([...new Set(begins)].toSorted()).toEqual([...notRunHere.keys()].toSorted());
});

it("runs where no part of the stack has the port that it has on an idle machine", () => {
  const ready = stack.told.find(({ event }) => event === "ready")?.message;
  expect(ready).toContain("api ");
  for (const port of Object.values(defaultPorts)) expect(ready).not.toMatch(new RegExp(`:${port}\\b`));
});

/** @returns a line without what differs from start to start, and from machine to machine */
function shape(line: string): string {
  return line
    .replaceAll(/SHA256:[\w+/]{43}/g, "KEY")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:]+Z/g, "TIME")
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{12,64}\b/g, "ID")
    .replaceAll(/\d+\.\d+ s\b/g, "SECONDS")
    .replaceAll(/(127\.0\.0\.1):\d+/g, "$1:PORT")
    .replace(/class (uid|userns)/, "class CLASS")
    .trim();
}
