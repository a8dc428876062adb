import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { freePorts } from "../../test/support/engines/free-ports.ts";
import { startProcess, stopLeftovers } from "./process.ts";
import { identify, lives } from "./process-identity.ts";
import { startEngine } from "./start.ts";
import { waitUntil } from "./wait-until.ts";

const signal = AbortSignal.timeout(60_000);
const env = { PATH: process.env.PATH };

const all = mkdtempSync(join(tmpdir(), "automation-process-"));
afterAll(() => rmSync(all, { recursive: true }));

const aFolder = () => {
  const dir = mkdtempSync(join(all, "one-"));
  return { logFile: join(dir, "log"), pidsDir: join(dir, "pids") };
};

it("gives a process the environment it was told and nothing else, and keeps its output in the log", async () => {
  const folder = aFolder();
  const running = await startProcess({ name: "env", argv: ["env"], env: { ...env, ONLY: "this" }, ...folder });
  expect(await running.exited).toEqual({ code: 0, signal: null });
  const names = readFileSync(folder.logFile, "utf8")
    .split("\n")
    .map((line) => line.split("=")[0]);
  expect(names).toEqual(expect.arrayContaining(["PATH", "ONLY"]));
  expect(names).not.toContain("HOME");
  expect(readdirSync(folder.pidsDir)).toEqual([]);
});

it("kills a process that does not end when asked, with all of its group", async () => {
  const folder = aFolder();
  const stubborn = "trap '' TERM; sleep 60 & echo $!; while :; do sleep 1; done";
  const running = await startProcess({ name: "stubborn", argv: ["sh", "-c", stubborn], env, ...folder });
  await waitUntil("its child", async () => readFileSync(folder.logFile, "utf8").includes("\n"), {
    limitMs: 60_000,
    signal,
  });
  const child = Number(readFileSync(folder.logFile, "utf8"));
  await running.stop(200);
  expect(await running.exited).toEqual({ code: null, signal: "SIGKILL" });
  await waitUntil("the end of its child", async () => identify(child) === undefined, { limitMs: 60_000, signal });
});

it("ends with its supervisor when that one is killed", async () => {
  const folder = aFolder();
  const module = new URL("./process.ts", import.meta.url).href;
  const options = JSON.stringify({ name: "sleeper", argv: ["sleep", "60"], env, ...folder });
  const script = `const { startProcess } = await import(${JSON.stringify(module)});
    console.log((await startProcess(${options})).pid); setInterval(() => {}, 1000);`;
  const supervisor = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = await new Promise<number>((resolve) => supervisor.stdout.once("data", (line) => resolve(Number(line))));
  expect(identify(pid)).toBeDefined();
  supervisor.kill("SIGKILL");
  await waitUntil("the end of the process", async () => identify(pid) === undefined, { limitMs: 60_000, signal });
});

it("ends what an earlier owner left, and leaves a process alone that only has its number", async () => {
  const folder = aFolder();
  const left = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  const foreign = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  await Promise.all([left, foreign].map((child) => new Promise((resolve) => child.once("spawn", resolve))));
  const leftIdentity = identify(left.pid ?? 0);
  const foreignIdentity = identify(foreign.pid ?? 0);
  if (leftIdentity === undefined || foreignIdentity === undefined) throw new Error("the processes did not start");
  expect(await stopLeftovers(folder.pidsDir, 1_000, signal)).toEqual([]);
  writeFileSync(join(folder.pidsDir, "left.json"), JSON.stringify(leftIdentity));
  writeFileSync(join(folder.pidsDir, "foreign.json"), JSON.stringify({ pid: foreign.pid, started: "another boot/1" }));
  writeFileSync(join(folder.pidsDir, "torn.json"), '{"pid":');
  expect(await stopLeftovers(folder.pidsDir, 1_000, signal)).toEqual(["left"]);
  expect(lives(leftIdentity)).toBe(false);
  expect(lives(foreignIdentity)).toBe(true);
  expect(readdirSync(folder.pidsDir)).toEqual([]);
  foreign.kill("SIGKILL");
});

it("shows the line that tells why a program ended while it was to start, from this start only", async () => {
  const folder = aFolder();
  writeFileSync(folder.logFile, "Error: of an earlier start\n");
  const says = "echo 'Error: the port is taken' >&2; echo '    at somewhere' >&2; echo 'bye' >&2; exit 1";
  const starting = startEngine({
    name: "failing",
    port: (await freePorts(1))[0] ?? 0,
    argv: ["sh", "-c", says],
    env,
    ...folder,
    ready: async () => false,
    signal,
  });
  await expect(starting).rejects.toMatchObject({
    code: "start_failed",
    message: `failing ended while starting: Error: the port is taken; see ${folder.logFile}`,
  });
});
