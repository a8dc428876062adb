import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { StepJson } from "../../src/gen/automation/v1/automation_plan_pb.ts";
import { temporaryFolder } from "../support/builders/repositories.ts";
import type { Told, WorkAsked, WorkDone, WorkWorld } from "../support/worlds/work-world.ts";
import { startWorkWorld } from "../support/worlds/work-world.ts";

const files = {
  "package.json": '{ "type": "module" }\n',
  "src/sum.js": "export const sum = (a, b) => a - b;\n",
  "test/sum.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { sum } from "../src/sum.js";

test("sum adds two numbers", () => {
  assert.equal(sum(1, 2), 3);
});
`,
};
const mended = "export const sum = (a, b) => a + b;\n";
const mend = `import { writeFileSync } from "node:fs";\nwriteFileSync("src/sum.js", ${JSON.stringify(mended)});\n`;
const unit: StepJson = {
  id: "unit",
  test: {
    argv: ["node", "--test", "--test-reporter=junit", "--test-reporter-destination=report.xml"],
    reportPath: "report.xml",
    format: "REPORT_FORMAT_JUNIT",
  },
};
/** Never ends where there is a `hang.mjs`. */
const hanging: StepJson = {
  id: "unit",
  test: {
    argv: ["sh", "-c", "test ! -e hang.mjs || { echo begun; exec sleep 60; }"],
    reportPath: "report.xml",
    format: "REPORT_FORMAT_JUNIT",
  },
};
const note: StepJson = {
  id: "note",
  document: { path: "docs/note.md", mediaType: "text/markdown", typeKey: "ameide:document" },
};
const agent = (id: string): StepJson => ({ id, agent: { persona: { id } } });
const command = (id: string, script: string): StepJson => ({ id, command: { argv: ["sh", "-ec", script] } });
const MiB = 1024 * 1024;

const personas = temporaryFolder();
let world: WorkWorld;
beforeAll(async () => {
  world = await startWorkWorld([62, 63]);
});
afterAll(async () => {
  await world.close();
  personas.remove();
});

/** Writes a persona of one program. @returns its folder */
function persona(id: string, program: string): string {
  const folder = join(personas.path, id);
  mkdirSync(folder);
  writeFileSync(join(folder, "main.mjs"), program);
  return folder;
}

async function work(asked: Omit<WorkAsked, "files">): Promise<WorkDone> {
  const done = await world.work({ files, ...asked });
  expect(done.left).toEqual([]);
  return done;
}

/** What was told, in words: `unit STARTED`, `captured`, `message`. */
const wordsOf = (told: readonly Told[]) =>
  told.map(({ step, ...other }) =>
    step === undefined ? Object.keys(other).join() : `${step.stepId} ${step.state?.replace("STEP_STATE_", "")}`,
  );
const steps = (words: readonly string[]) => words.filter((word) => word.includes(" ") || word === "captured");
const namesOf = ({ files: made }: WorkDone) => made.map(({ name }) => name).toSorted();
const changed = ({ report }: WorkDone) =>
  (report.capture?.changes ?? []).map(({ path, kind }) => `${kind?.replace("CHANGE_KIND_", "")} ${path}`);

describe("work that is done", () => {
  it.concurrent("is told and kept in its order: base tests, changes, capture, then what is read and tested of it", async () => {
    const done = await work({
      steps: [unit, note, agent("mends"), command("write", "mkdir docs; echo '# Note' > docs/note.md; echo written")],
      personas: { mends: persona("mends", `console.log("mending");\n${mend}`) },
    });
    expect(steps(wordsOf(done.told))).toEqual([
      "mends STARTED",
      "mends DONE",
      "write STARTED",
      "write DONE",
      "captured",
      "unit STARTED",
      "unit DONE",
      "note STARTED",
      "note DONE",
    ]);
    expect(done.told[0]).toMatchObject({ message: { text: "on the base the tests end with exit code 1" } });
    expect(namesOf(done)).toEqual([
      "changes.json",
      "changes.patch",
      "documents/docs/note.md",
      "evidence.json",
      "logs/mends.log",
      "logs/write.log",
      "tests/base/unit.xml",
      "tests/unit.xml",
      "transcript/mends.ndjson",
    ]);
    expect(done.text("logs/write.log")).toBe("written\n");
    expect(done.text("documents/docs/note.md")).toBe("# Note\n");
    expect(changed(done)).toEqual(["ADDED docs/note.md", "MODIFIED src/sum.js"]);
    expect(done.report).toMatchObject({
      outcome: "WORK_OUTCOME_DONE",
      tests: [
        { onBase: true, gitTree: done.base.tree, exitCode: 1 },
        { onBase: false, gitTree: done.report.capture?.gitTree, exitCode: 0 },
      ],
      documents: [{ stepId: "note", path: "docs/note.md" }],
    });
    expect(done.report.cause).toBeUndefined();
    expect(done.verdict.passed).toBe(true);
    const times = (done.report.steps ?? []).flatMap(({ startedAt = "", finishedAt = "" }) => [startedAt, finishedAt]);
    expect(times).toHaveLength(8);
    expect(times.toSorted()).toEqual(times);
  });

  it.concurrent("by a command step changes the tree, in the same workspace that a persona sees after it", async () => {
    const done = await work({
      steps: [command("prepare", "echo 1 > prepared; mkdir -p $HOME/kept"), agent("looks"), unit],
      personas: {
        looks: persona("looks", `import { readFileSync } from "node:fs";\nreadFileSync("prepared");\n${mend}`),
      },
    });
    expect(changed(done)).toEqual(["ADDED prepared", "MODIFIED src/sum.js"]);
    expect(done.verdict.passed).toBe(true);
  });

  it.concurrent("without a change has an empty patch and the base's tree", async () => {
    const done = await work({ steps: [command("look", "ls"), unit] });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_DONE" });
    expect(done.text("changes.patch")).toBe("");
    expect(JSON.parse(done.text("changes.json") ?? "")).toEqual([]);
    expect(done.report.capture?.gitTree).toBe(done.base.tree);
    expect(done.examined.evidence).toContainEqual(expect.objectContaining({ kind: "diff", outcome: "UNCHANGED" }));
    expect(done.line("tests-passed")).toMatch(/^FAILED: .* 0 passed, 1 failed/);
  });
});

describe("work that fails", () => {
  it.concurrent("in an agent step still leaves its patch, its transcript and the base's red report", async () => {
    const done = await work({
      steps: [agent("gives-up"), command("never", "echo never > never"), unit],
      personas: {
        "gives-up": persona(
          "gives-up",
          `${mend}import { writeSync } from "node:fs";
const say = (text) => writeSync(3, JSON.stringify({ type: "message", text }) + "\\n");
say("it is mended, but I don't trust it");
process.exit(20);
`,
        ),
      },
    });
    expect(done.report).toMatchObject({
      outcome: "WORK_OUTCOME_FAILED",
      cause: "gave_up",
      reason: "step gives-up: it is mended, but I don't trust it",
      steps: [{ stepId: "gives-up", state: "STEP_STATE_FAILED", cause: "gave_up", exitCode: 20 }],
    });
    expect(steps(wordsOf(done.told))).toEqual(["gives-up STARTED", "gives-up FAILED", "captured"]);
    expect(changed(done)).toEqual(["MODIFIED src/sum.js"]);
    expect(done.text("changes.patch")).toContain("+export const sum = (a, b) => a + b;");
    expect(done.text("transcript/gives-up.ndjson")).toContain("I don't trust it");
    expect(done.text("tests/base/unit.xml")).toContain("<failure");
    expect(done.text("tests/unit.xml")).toBeUndefined();
    expect(done.report.tests).toMatchObject([{ onBase: true, exitCode: 1 }]);
    expect(done.line("steps-done")).toBe("FAILED: gave_up: step gives-up: it is mended, but I don't trust it");
    expect(done.line("tests-passed")).toMatch(/^MISSING/);
    expect(done.line("tests-kept-unit")).toBe("FAILED: the tests did not run on the captured tree");
  });

  it.concurrent("in a command step says how it ended, and what it said last", async () => {
    const done = await work({ steps: [command("build", "echo built > built; echo no disk >&2; exit 7")] });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "step_failed" });
    expect(done.report.reason).toBe("step build: sh ended with exit code 7; its last line: no disk");
    expect(changed(done)).toEqual(["ADDED built"]);
  });

  it.concurrent.each([
    ["is not there", "true"],
    ["is a link", "mkdir docs; ln -s ../package.json docs/note.md"],
    ["is a folder", "mkdir -p docs/note.md; echo 1 > docs/note.md/it"],
  ])("when the document %s, by its name", async (_how, script) => {
    const done = await work({ steps: [command("write", script), note] });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "document_missing", documents: [] });
    expect(done.report.reason).toMatch(/^step note: the captured tree holds no regular file docs\/note\.md/);
    expect(done.step("note")).toMatchObject({ state: "STEP_STATE_FAILED", cause: "document_missing" });
    expect(namesOf(done).filter((name) => name.startsWith("documents/"))).toEqual([]);
  });

  it.concurrent.each([
    ["output", "yes | head -c 20000000", { outputBytes: String(MiB) }, { limit: String(MiB) }],
    ["processes", "(for i in $(seq 60); do sleep 30 & done) || exec sleep 20", { processes: 30 }, { limit: "30" }],
    ["time", "sleep 30 & while :; do :; done", { stepTime: "1s" }, { limit: "1000" }],
  ])("by a limit of %s names it, what was allowed and what was seen", async (name, script, limits, hit) => {
    const done = await work({ steps: [command("burn", `echo 1 > begun; ${script}`), unit], limits });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "limit_exceeded" });
    const { limit } = done.step("burn") ?? {};
    expect(limit).toMatchObject({ name, ...hit });
    expect(Number(limit?.peak)).toBeGreaterThanOrEqual(Number(limit?.limit));
    expect(limit?.mechanism).toMatch(/./);
    expect(done.report.reason).toContain(`step burn: it met its limit of ${name}`);
    expect(changed(done)).toEqual(["ADDED begun"]);
  });

  it.concurrent("when its tests hit a limit, with what was captured", async () => {
    const script = `echo 'export const sum = () => { while (true); };' > src/sum.js`;
    const done = await work({ steps: [command("hang", script), { ...unit, timeLimit: "1.5s" }] });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "limit_exceeded" });
    expect(done.step("unit")).toMatchObject({ state: "STEP_STATE_FAILED", limit: { name: "time", limit: "1500" } });
    expect(done.report.tests).toMatchObject([{ onBase: true }, { onBase: false, reason: /limit of time/ }]);
    expect(changed(done)).toEqual(["MODIFIED src/sum.js"]);
  });
});

describe("work that is stopped", () => {
  it.concurrent("in a step keeps what the step had made, and runs no further step", async () => {
    const stop = new AbortController();
    const during: string[] = [];
    const done = await work({
      steps: [agent("waits"), command("never", "echo never > never"), unit, note],
      personas: {
        waits: persona(
          "waits",
          `${mend}import { spawn } from "node:child_process";
import { writeSync } from "node:fs";
spawn("sleep", ["60"], { detached: true, stdio: "ignore" }).unref();
writeSync(3, JSON.stringify({ type: "message", text: "ready" }) + "\\n");
setInterval(() => {}, 1000);
`,
        ),
      },
      stop: stop.signal,
      onTold: ({ message }, left) => {
        if (message?.text !== "ready") return;
        during.push(...left());
        stop.abort();
      },
    });
    expect(during.filter((each) => each.startsWith("process")).length).toBeGreaterThan(1);
    expect(done.report).toMatchObject({
      outcome: "WORK_OUTCOME_FAILED",
      cause: "stopped",
      reason: "step waits: it was stopped before it had ended",
      steps: [{ stepId: "waits", state: "STEP_STATE_FAILED", cause: "stopped" }],
    });
    expect(steps(wordsOf(done.told))).toEqual(["waits STARTED", "waits FAILED", "captured"]);
    expect(changed(done)).toEqual(["MODIFIED src/sum.js"]);
    expect(done.text("tests/base/unit.xml")).toContain("<failure");
    expect(done.line("steps-done")).toMatch(/^FAILED: stopped: /);
  });

  it.concurrent("before its tests are in their box keeps what was captured, and has no result of them", async () => {
    const stop = new AbortController();
    const done = await work({
      steps: [command("mend", `printf '${mended.trim()}\\n' > src/sum.js`), unit, note],
      stop: stop.signal,
      onTold: ({ step }) => {
        if (step?.stepId === "unit") stop.abort();
      },
    });
    expect(done.report.steps).toMatchObject([{ state: "STEP_STATE_DONE" }, { stepId: "unit", cause: "stopped" }]);
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "stopped" });
    expect(done.text("tests/unit.xml")).toBeUndefined();
    expect(done.verdict.passed).toBe(false);
    expect(changed(done)).toEqual(["MODIFIED src/sum.js"]);
  });

  it.concurrent("while a later persona is fetched keeps what the steps before had made", async () => {
    const stop = new AbortController();
    const done = await work({
      steps: [command("mend", `printf '${mended.trim()}\\n' > src/sum.js`), agent("late")],
      personas: { late: persona("late", "") },
      stop: stop.signal,
      onTold: ({ step }) => {
        if (step?.stepId === "late") stop.abort();
      },
    });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "stopped" });
    expect(done.step("late")).toMatchObject({ state: "STEP_STATE_FAILED", cause: "stopped" });
    expect(changed(done)).toEqual(["MODIFIED src/sum.js"]);
  });

  it.concurrent("while its tests run keeps what was captured, and has no result of them", async () => {
    const stop = new AbortController();
    const done = await work({
      steps: [command("hang", "echo > hang.mjs"), hanging],
      stop: stop.signal,
      onTold: ({ message }) => {
        if (message?.text === "begun") stop.abort();
      },
    });
    expect(done.report).toMatchObject({ outcome: "WORK_OUTCOME_FAILED", cause: "stopped" });
    expect(done.report.tests).toMatchObject([{ onBase: true }, { onBase: false, reason: /stopped/ }]);
    expect(changed(done)).toEqual(["ADDED hang.mjs"]);
  });

  it.concurrent("after its last step was done says so, and does not pass", async () => {
    const stop = new AbortController();
    const done = await work({
      steps: [command("mend", `printf '${mended.trim()}\\n' > src/sum.js`)],
      stop: stop.signal,
      onTold: ({ captured }) => {
        if (captured !== undefined) stop.abort();
      },
    });
    expect(done.report).toMatchObject({
      outcome: "WORK_OUTCOME_FAILED",
      cause: "stopped",
      reason: "the work was asked to end before every step was done",
    });
    expect(done.report.steps).toMatchObject([{ stepId: "mend", state: "STEP_STATE_DONE" }]);
  });
});
