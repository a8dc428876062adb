import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { startProcess } from "../engines/engine-process.ts";
import { identify } from "../engines/process-identity.ts";
import { waitUntil } from "../engines/wait-until.ts";
import { createSupervisor } from "./supervisor.ts";

const signal = AbortSignal.timeout(60_000);
const dir = mkdtempSync(join(tmpdir(), "automation-supervisor-"));
afterAll(() => rmSync(dir, { recursive: true }));

const start =
  (name: string, ...argv: string[]) =>
  () =>
    startProcess({ name, argv, env: { PATH: process.env.PATH }, logFile: join(dir, `${name}.log`), pidsDir: dir });

it("reports a process that dies, starts it again, and leaves none behind when it stops", async () => {
  const lines: string[] = [];
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), healthEveryMs: 50 });
  await supervisor.run({ name: "sleeper", start: start("sleeper", "sleep", "60") });
  const first = supervisor.running()[0]?.pid ?? 0;
  process.kill(first, "SIGKILL");
  await waitUntil("its return", async () => supervisor.running().some(({ pid }) => pid !== first), {
    limitMs: 10_000,
    signal,
  });
  const second = supervisor.running()[0]?.pid ?? 0;
  expect(lines).toEqual(["sleeper ended (killed by SIGKILL); starting it again", `sleeper is back (pid ${second})`]);
  await supervisor.stop(1_000);
  expect(identify(second)).toBeUndefined();
  expect(supervisor.running()).toEqual([]);
});

it("goes on trying when a process ends again and again, and stops when told to in the middle of it", async () => {
  const lines: string[] = [];
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), healthEveryMs: 50 });
  await supervisor.run({ name: "brief", start: start("brief", "sh", "-c", "exit 7") });
  const ends = () => lines.filter((line) => line === "brief ended (exit code 7); starting it again").length;
  await waitUntil("three ends", async () => ends() >= 3, { limitMs: 10_000, signal });
  await supervisor.stop(1_000);
});

it("ends a process that stays silent on its health address", async () => {
  const lines: string[] = [];
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), healthEveryMs: 50 });
  const silent = createServer((_request, response) => response.writeHead(503).end()).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const address = silent.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const healthUrl = `http://127.0.0.1:${address.port}/healthz`;
  await supervisor.run({ name: "silent", healthUrl, start: start("silent", "sleep", "60") });
  await waitUntil("its end", async () => lines.length >= 2, { limitMs: 30_000, signal });
  expect(lines.slice(0, 2)).toEqual([
    `silent does not answer ${healthUrl}; ending it`,
    "silent ended (killed by SIGTERM); starting it again",
  ]);
  await supervisor.stop(1_000);
  silent.close();
});

it("says why a process cannot be started the first time", async () => {
  const supervisor = createSupervisor({ report: () => {}, healthEveryMs: 50 });
  const failing = supervisor.run({ name: "none", start: () => Promise.reject(new Error("no such program")) });
  await expect(failing).rejects.toThrow("no such program");
  await supervisor.stop(1_000);
});
