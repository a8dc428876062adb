import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programVersion } from "../src/config/program-version.ts";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "automation-compiled-"));
const app = join(folder, "app");

beforeAll(() => {
  expect(node(join(root, "images", "compile.ts"), app)).toMatchObject({ status: 0, stderr: "" });
  symlinkSync(join(root, "node_modules"), join(app, "node_modules"));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function node(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  return { status, stdout, stderr };
}

/** Runs a module whose imports begin at the compiled program, and reads what it prints. */
function evaluate(code: string): unknown {
  const file = join(app, "evaluated.mjs");
  writeFileSync(file, code);
  const { stdout, stderr } = node(file);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("the compiled program", { timeout: 60_000 }, () => {
  it("says its version, and that it is no clone", () => {
    const program = join(app, "src", "cli", "automation.js");
    expect(node(program, "version")).toMatchObject({ status: 0, stdout: expect.stringContaining(programVersion()) });
    expect(node(program, "up")).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("no clone of the repository"),
    });
    expect(existsSync(join(app, "local"))).toBe(false);
  });

  it("has the workflows compiled, and takes them", () => {
    const worker = `const { workflowsOf } = await import("./workers/automation/control-worker.js");`;
    const told = evaluate(`${worker} console.log(JSON.stringify(await workflowsOf()));`);
    expect(told).toEqual({ codePath: join(app, "workers", "automation", "workflow-bundle.js") });
    expect(existsSync(join(app, "workers", "automation", "workflow-bundle.js"))).toBe(true);
  });

  it("starts the process that examines work", () => {
    expect(
      evaluate(`
        const { proveExaminer } = await import("./src/work/examine/examiner/run-examiner.js");
        await proveExaminer(AbortSignal.timeout(30_000));
        console.log('"proven"');`),
    ).toBe("proven");
  });

  it("starts the thread that checks results", () => {
    const schema = { type: "object", required: ["answer"] };
    writeFileSync(join(folder, "result.schema.json"), JSON.stringify(schema));
    expect(
      evaluate(`
        const { faultOfResults } = await import("./workers/workspace/runtimes/check-result.js");
        const bundle = { path: ${JSON.stringify(folder)}, manifest: { outputSchema: "result.schema.json" } };
        const results = [['{"answer":1}'], ["{}"]].map((each) => faultOfResults(each, bundle));
        console.log(JSON.stringify((await Promise.all(results)).map((fault) => fault ?? "none")));`),
    ).toEqual(["none", expect.stringContaining("answer")]);
  });

  it("starts the thread that reads what boxes say", () => {
    expect(
      evaluate(`
        const { createListen } = await import("./workers/workspace/runtimes/command/listen.js");
        const listener = createListen()({ stepId: "s", secrets: [], tell: async () => undefined });
        await listener.onStdout(Buffer.from("said\\n"));
        const { log } = await listener.end();
        console.log(JSON.stringify(log.toString()));
        listener.close();`),
    ).toContain("said");
  });

  it("has what it reads by path", () => {
    for (const file of [
      "drivers/postgres/migrations/0001_tenant_isolation.sql",
      "cli/bootstrap.mjs",
      "cli/progress.mjs",
    ])
      expect(existsSync(join(app, "src", file)), file).toBe(true);
    for (const file of ["capture/enumerate.mjs", "repo/git-config", "sandbox/proof/probe.mjs"])
      expect(existsSync(join(app, "workers", "workspace", file)), file).toBe(true);
  });
});
