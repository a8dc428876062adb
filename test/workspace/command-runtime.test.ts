import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PersonaWorld } from "../support/worlds/persona-world.ts";
import { startPersonaWorld } from "../support/worlds/persona-world.ts";

const secret = "token-of-the-worker";
const MiB = 1024 * 1024;
let world: PersonaWorld;
beforeAll(async () => {
  world = await startPersonaWorld([secret]);
});
afterAll(() => world.close());

describe("a persona of runtime command", () => {
  it.concurrent("gets its task, its bundle and the workspace, and says what it does", async () => {
    const main = `
      import { readFileSync, writeFileSync, writeSync } from "node:fs";
      const say = (type, fields) => writeSync(Number(process.env.RUN_EVENTS_FD), JSON.stringify({ type, ...fields }) + "\\n");
      const task = JSON.parse(readFileSync(process.env.TASK_FILE, "utf8"));
      const refused = ["/persona/x", "/task/x", "/task/task.json", "/x"].filter((path) => {
        try { writeFileSync(path, "x"); return false; } catch { return true; }
      });
      writeFileSync("NOTES.md", task.goal);
      writeFileSync(process.env.HOME + "/kept", "x");
      say("plan", { items: [{ text: "note", done: true }] });
      say("tool.started", { name: "append", detail: "NOTES.md" });
      say("progress", { percent: 100, text: "noted" });
      say("result", { result: { task, refused, cwd: process.cwd(), names: Object.keys(process.env).sort() } });
    `;
    const { end, told, survivors } = await world.work({
      files: { "main.mjs": main, "schema.json": '{"type":"object","required":["task"]}' },
      argv: ["/persona/main.mjs"],
      outputSchema: "schema.json",
    });
    expect(survivors).toEqual([]);
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", exitCode: 0, cause: "", reason: "" });
    expect(told).toEqual([
      { plan: { stepId: "mend", items: [{ text: "note", done: true }] } },
      { tool: { stepId: "mend", name: "append", phase: "TOOL_PHASE_STARTED", detail: "NOTES.md" } },
      { progress: { stepId: "mend", percent: 100, text: "noted" } },
    ]);
    const lines = (end.transcript?.toString() ?? "")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.slice(0, 3)).toEqual(told);
    expect(lines[3].result).toMatchObject({
      task: { protocol: "run-events/1", goal: "Mend the sum", context: { scrum: { product: "webshop" } } },
      refused: ["/persona/x", "/task/x", "/task/task.json", "/x"],
      cwd: "/workspace",
    });
    const ofEveryBox = ["HOME", "LANG", "LOGNAME", "LSAN_OPTIONS", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];
    const names = [...ofEveryBox, "RUN_EVENTS_FD", "TASK_FILE"].sort();
    expect(lines[3].result.names.filter((name: string) => name !== "PWD")).toEqual(names);
  });

  it.concurrent("waits, alone and unpunished, while what it said is not taken", async () => {
    const main = `
      import { writeSync } from "node:fs";
      for (let count = 0; count < 300; count += 1)
        writeSync(3, JSON.stringify({ type: "message", text: "x".repeat(1000) }) + "\\n");
    `;
    const taken = Promise.withResolvers<void>();
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
      if (turns === 150) taken.resolve(); // longer than it may be idle
    }, 10);
    const { end, told } = await world.work({
      files: { "main.mjs": main },
      argv: ["/persona/main.mjs"],
      limits: { idleMs: 1_000 },
      tell: () => taken.promise,
    });
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(150);
    expect(end).toMatchObject({ state: "STEP_STATE_DONE" });
    expect(told).toHaveLength(300);
  });

  it.concurrent("is ended when nobody takes what it says any more", async () => {
    const main = `console.log("hello"); setInterval(() => {}, 1000);`;
    const gone = world.work({
      files: { "main.mjs": main },
      argv: ["/persona/main.mjs"],
      tell: () => Promise.reject(new Error("the run is another's now")),
    });
    await expect(gone).rejects.toThrow("the run is another's now");
  });

  it.concurrent("that is told to stop may end in its own way", async () => {
    const main = `
      process.on("SIGTERM", () => { console.log("putting things away"); process.exit(0); });
      console.log("ready");
      setInterval(() => {}, 1000);
    `;
    const stop = new AbortController();
    const { end } = await world.work({
      files: { "main.mjs": main },
      argv: ["/persona/main.mjs"],
      signal: stop.signal,
      tell: async ({ message }) => {
        if (message?.text === "ready") stop.abort();
      },
    });
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", cause: "stopped" });
    expect(end.log.toString()).toContain("putting things away");
  });

  it.concurrent("that can't be started has failed, with the reason", async () => {
    const { end } = await world.work({ files: {}, argv: ["/persona/missing.mjs"] });
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", cause: "step_failed", exitCode: 1 });
    expect(end.log.toString()).toContain("/persona/missing.mjs");
  });
});

describe("a program of a command or test step", () => {
  const script = (code: string) => ["node", "-e", code];

  it.concurrent("is done when it ends with 0, and what it prints is its log", async () => {
    const { end, texts, survivors } = await world.run(
      script('console.log("\\x1b[32mbuilt\\x1b[0m"); console.error("warned")'),
    );
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", exitCode: 0, cause: "", reason: "" });
    expect(end.transcript).toBeUndefined();
    expect(texts.join("\n").split("\n").sort()).toEqual(["built", "warned"]);
    expect(end.log.toString().split("\n").sort()).toEqual(["", "\u001b[32mbuilt\u001b[0m", "warned"]);
    expect(survivors).toEqual([]);
  });

  it.concurrent("has failed with its code and last line when it ends with another one", async () => {
    const { end } = await world.run(script(`console.log("no ${secret}"); process.exit(3)`));
    expect(end).toMatchObject({
      state: "STEP_STATE_FAILED",
      exitCode: 3,
      cause: "step_failed",
      reason: "node ended with exit code 3; its last line: no [redacted]",
    });
  });

  it.concurrent("is done with any code where its report says how it went", async () => {
    const { end } = await world.run(script("process.exit(1)"), { expectZero: false });
    expect(end).toMatchObject({ state: "STEP_STATE_DONE", exitCode: 1, cause: "" });
  });

  it.concurrent("has failed by a limit even then", async () => {
    const { end } = await world.run(["yes"], { limits: { outputBytes: MiB }, expectZero: false });
    expect(end).toMatchObject({ state: "STEP_STATE_FAILED", cause: "limit_exceeded", limit: { name: "output" } });
  });

  it.concurrent("that is not there has failed with 127", async () => {
    const { end } = await world.run(["no-such-program"]);
    expect(end).toMatchObject({ cause: "step_failed", exitCode: 127 });
    expect(end.reason).toContain("no-such-program");
  });
});
