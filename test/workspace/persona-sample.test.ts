import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { compilePersona } from "../../src/cli/read/compile-persona.ts";
import { createBundleCache } from "../../workers/workspace/runtimes/bundle-cache.ts";
import { createCommandRuntime } from "../../workers/workspace/runtimes/command/command-runtime.ts";
import { createListen } from "../../workers/workspace/runtimes/command/listen.ts";
import type { Tell } from "../../workers/workspace/runtimes/step-end.ts";
import type { RunArea } from "../../workers/workspace/sandbox/area/run-area.ts";
import { openRunArea } from "../../workers/workspace/sandbox/area/run-area.ts";
import type { RunFolder } from "../../workers/workspace/sandbox/area/run-folder.ts";
import { createBubblewrap } from "../../workers/workspace/sandbox/bubblewrap.ts";
import { ownerOfSlot } from "../../workers/workspace/sandbox/slots.ts";
import { saveFilesOf } from "../support/probes/pages.ts";

/** Runs the persona that docs/personas.md shows, and those of the demo: by hand, as the page says to try them, and published, in a box. */
const root = resolve(import.meta.dirname, "../..");
const demo = join(root, "examples/demo");
let dir: string;
let sample: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "automation-personas-"));
  sample = join(dir, "try/note-keeper");
  saveFilesOf("docs/personas.md", dir);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Said {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Starts a persona's program as its manifest says, in a workspace, with its channel on descriptor 3. */
function work(persona: string, workspace: string, task: Readonly<Record<string, unknown>>) {
  const taskFile = join(dir, "task.json");
  writeFileSync(taskFile, JSON.stringify({ protocol: "run-events/1", reports: [], ...task }));
  const { status, output, stderr } = spawnSync(process.execPath, [join(persona, "main.mjs")], {
    cwd: workspace,
    env: { RUN_EVENTS_FD: "3", TASK_FILE: taskFile },
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    encoding: "utf8",
    timeout: 60_000,
  });
  const said: Said[] = (output[3] ?? "")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  return { status, said, stderr };
}

/** The demo's repository with the report of its tests, as a run's base has them. */
function webshop(name: string): { workspace: string; report: string } {
  const workspace = join(dir, name);
  cpSync(join(demo, "repository"), workspace, { recursive: true });
  const report = join(dir, `${name}.xml`);
  expect(runTests(workspace, report)).toBe(1);
  return { workspace, report };
}

/** @returns the exit code of the demo's tests: with an empty home and nothing of our environment */
function runTests(workspace: string, report: string): number | null {
  const argv = ["--test", "--test-reporter=junit", `--test-reporter-destination=${report}`];
  const { status } = spawnSync(process.execPath, argv, { cwd: workspace, env: { HOME: dir }, timeout: 60_000 });
  return status;
}

function meetsItsSchema(persona: string, said: readonly Said[]): boolean {
  const schema = JSON.parse(readFileSync(join(persona, "result.schema.json"), "utf8"));
  return new Ajv2020().validate(schema, said.at(-1)?.result);
}

describe("in a box, as in a run,", () => {
  const never = new AbortController().signal;
  const now = () => new Date();
  const limits = {
    memoryBytes: 1024 ** 3,
    processes: 100,
    outputBytes: 1024 ** 2,
    diskBytes: 100 * 1024 ** 2,
    timeMs: 60_000,
    idleMs: 30_000,
  };
  let areaRoot: string;
  let area: RunArea;
  let folder: RunFolder;

  beforeAll(async () => {
    areaRoot = mkdtempSync(join(process.getuid?.() === 0 ? "/var/tmp" : tmpdir(), "automation-persona-test-"));
    chmodSync(areaRoot, 0o711);
    const nodeDir = resolve(dirname(process.execPath), "..");
    area = await openRunArea({ root: join(areaRoot, "area"), nodeDir, ownerOf: ownerOfSlot, signal: never });
  });
  beforeEach(async () => {
    folder = await area.openRun(0, never);
  });
  afterAll(async () => {
    await folder?.remove();
    await area?.close();
    rmSync(areaRoot, { recursive: true, force: true });
  });

  /** Lets a folder's persona work in a copy of `from`, by way of its bundle. */
  async function workInBox(persona: string, from: string, report: string | undefined, goal: string) {
    const { bundle: tar, digest } = compilePersona(persona);
    const cache = createBundleCache({ bundlesDir: join(area.bundlesDir, "sample"), now });
    const bundle = await cache.get(digest, async () => Buffer.from(tar), never);
    const workspace = await folder.newFolder("ws");
    spawnSync("cp", ["-r", `${from}/.`, workspace]);
    const { uid, gid } = ownerOfSlot(0);
    if (process.getuid?.() === 0) spawnSync("chown", ["-R", `${uid}:${gid}`, workspace]);
    const taskDir = await folder.newHostFolder("task");
    if (report !== undefined) cpSync(report, join(taskDir, "reports/unit.xml"));
    const events: Parameters<Tell>[0][] = [];
    const end = await createCommandRuntime({
      sandbox: createBubblewrap({ area }),
      listen: createListen(),
      secrets: () => [],
    })(
      {
        stepId: "work",
        slot: 0,
        bundle,
        workspace,
        taskDir,
        limits,
        home: await folder.newFolder("home"),
        task: {
          runId: "r",
          stepId: "work",
          goal,
          parameters: {},
          context: {},
          policy: {},
          repository: { id: "webshop", ref: "main", baseCommit: "" },
          reports: report === undefined ? [] : [{ stepId: "unit", path: "/task/reports/unit.xml", exitCode: 1 }],
        },
      },
      async (event) => void events.push(event),
      never,
    );
    return { end, events, workspace };
  }

  it("the sample of docs/personas.md notes the goal and is done", async () => {
    const from = mkdtempSync(join(dir, "empty-"));
    const { end, events, workspace } = await workInBox(sample, from, undefined, "Customers pay by invoice");
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", exitCode: 0, cause: "" });
    expect(readFileSync(join(workspace, "docs/NOTES.md"), "utf8")).toBe("- Customers pay by invoice\n");
    expect(events.map((event) => Object.keys(event)[0])).toEqual(["plan", "tool", "tool", "artifact", "progress"]);
    expect(end.transcript?.toString()).toContain('"noted":"Customers pay by invoice"');
  });

  it("the sample is told to be in need of a human when there is no goal", async () => {
    const { end } = await workInBox(sample, mkdtempSync(join(dir, "empty-")), undefined, "");
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", cause: "needs_human" });
    expect(end.reason).toContain("The request has no goal");
  });

  it("test-fixer mends the source of the demo", async () => {
    const { workspace: from, report } = webshop("boxed");
    const { end, workspace } = await workInBox(join(demo, "personas/test-fixer"), from, report, "");
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", cause: "" });
    expect(readFileSync(join(workspace, "src/invoice.js"), "utf8")).toContain("net >= discount.fromCents");
  });
});

describe("the sample of docs/personas.md", () => {
  it("can be published, notes the goal and says so", () => {
    expect(compilePersona(sample)).toMatchObject({ id: "note-keeper", version: "1" });
    const workspace = mkdtempSync(join(dir, "workspace-"));
    const { status, said, stderr } = work(sample, workspace, { goal: "Customers pay by invoice" });
    expect([status, stderr]).toEqual([0, ""]);
    expect(said.map(({ type }) => type)).toEqual([
      "plan",
      "tool.started",
      "tool.completed",
      "artifact",
      "progress",
      "result",
    ]);
    expect(meetsItsSchema(sample, said)).toBe(true);
    expect(readFileSync(join(workspace, "docs/NOTES.md"), "utf8")).toBe("- Customers pay by invoice\n");
  });

  it("asks for a human, by its exit code, when there is no goal", () => {
    const { status, said } = work(sample, dir, { goal: "" });
    expect([status, said.at(-1)?.type]).toEqual([10, "message"]);
  });
});

describe("the demo's test-fixer", () => {
  const fixer = join(demo, "personas/test-fixer");

  it("mends the source by one change that makes every test pass, and touches no test", () => {
    const { workspace, report } = webshop("mended");
    const reports = [{ stepId: "unit", path: report, exitCode: 1 }];
    const { status, said, stderr } = work(fixer, workspace, { reports });
    expect([status, stderr]).toEqual([0, ""]);
    const { stdout } = spawnSync("diff", ["-r", join(demo, "repository"), workspace], { encoding: "utf8" });
    expect(stdout.split("\n").filter((line) => /^[<>]/.test(line))).toEqual([
      "<   const reduction = net > discount.fromCents ? percentOf(net, discount.percent) : 0;",
      ">   const reduction = net >= discount.fromCents ? percentOf(net, discount.percent) : 0;",
    ]);
    expect(runTests(workspace, report)).toBe(0);
    expect(meetsItsSchema(fixer, said)).toBe(true);
    const types = new Set(said.map(({ type }) => type));
    for (const type of ["message", "plan", "tool.started", "tool.completed", "artifact", "progress", "result"])
      expect(types).toContain(type);
  });

  it("finds another slip as well, since it looks for one", () => {
    const { workspace, report } = webshop("other-slip");
    cpSync(join(demo, "repository"), workspace, { recursive: true });
    const source = join(workspace, "src/invoice.js");
    const mended = readFileSync(source, "utf8").replace("net > discount", "net >= discount");
    writeFileSync(source, mended.replace("net - reduction, vatPercent", "net + reduction, vatPercent"));
    expect(runTests(workspace, report)).toBe(1);
    expect(work(fixer, workspace, { reports: [{ stepId: "unit", path: report, exitCode: 1 }] }).status).toBe(0);
    expect(readFileSync(source, "utf8")).toBe(mended);
  });

  it("gives up, and leaves the sources as they were, when no small change helps or nothing fails", () => {
    const { workspace, report } = webshop("hopeless");
    const source = join(workspace, "src/invoice.js");
    writeFileSync(source, readFileSync(source, "utf8").replace("percent: 2", "percent: 3"));
    const before = readFileSync(source, "utf8");
    const { status, said } = work(fixer, workspace, { reports: [{ stepId: "unit", path: report, exitCode: 1 }] });
    expect(status).toBe(20);
    expect(said.at(-1)).toMatchObject({ type: "message", text: expect.stringContaining("I give up") });
    expect(readFileSync(source, "utf8")).toBe(before);
    expect(work(fixer, workspace, { reports: [] }).status).toBe(20);
  });
});

describe("the demo's test-breaker", () => {
  it("makes the failing test agree with the code, and says that all is well", () => {
    const { workspace, report } = webshop("bent");
    const reports = [{ stepId: "unit", path: report, exitCode: 1 }];
    const { status, said } = work(join(demo, "personas/test-breaker"), workspace, { reports });
    expect([status, said.at(-1)?.type]).toEqual([0, "result"]);
    const { stdout } = spawnSync("diff", ["-rq", join(demo, "repository"), workspace], { encoding: "utf8" });
    expect(stdout.match(/\S+\.js\b/g)?.map((path) => path.split("/").slice(-2).join("/"))).toEqual([
      "test/invoice.test.js",
      "test/invoice.test.js",
    ]);
    expect(runTests(workspace, report)).toBe(0);
  });
});
