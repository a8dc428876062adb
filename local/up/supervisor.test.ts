import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { startProcess } from "../engines/process.ts";
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
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), silenceMs: 500 });
  await supervisor.run({ name: "sleeper", start: start("sleeper", "sleep", "60") });
  const first = supervisor.running()[0]?.pid ?? 0;
  process.kill(first, "SIGKILL");
  await waitUntil("its return", async () => supervisor.running().some(({ pid }) => pid !== first), {
    limitMs: 60_000,
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
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), silenceMs: 500 });
  await supervisor.run({ name: "brief", start: start("brief", "sh", "-c", "exit 7") });
  const ends = () => lines.filter((line) => line === "brief ended (exit code 7); starting it again").length;
  await waitUntil("three ends", async () => ends() >= 3, { limitMs: 60_000, signal });
  await supervisor.stop(1_000);
});

/** @param answer - absent: connections are taken, and nothing is ever said */
async function listening(answer?: RequestListener): Promise<{ healthUrl: string; asked: () => number; close(): void }> {
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    answer?.(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const healthUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/healthz`;
  return { healthUrl, asked: () => asked, close: () => server.close().closeAllConnections() };
}

it("ends a process that stays silent on its health address, and says for how long it was", async () => {
  const lines: string[] = [];
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), silenceMs: 500 });
  const { healthUrl, close } = await listening();
  await supervisor.run({ name: "silent", healthUrl, start: start("silent", "sleep", "60") });
  await waitUntil("its end", async () => lines.length >= 2, { limitMs: 60_000, signal });
  expect(lines.slice(0, 2)).toEqual([
    `silent did not answer ${healthUrl} for 0.5 s; ending it`,
    "silent ended (killed by SIGTERM); starting it again",
  ]);
  await supervisor.stop(1_000);
  close();
});

it("lets a process live that answers, whatever it says of its dependencies", async () => {
  const lines: string[] = [];
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), silenceMs: 500 });
  const { healthUrl, asked, close } = await listening((_request, response) => response.writeHead(503).end());
  await supervisor.run({ name: "unready", healthUrl, start: start("unready", "sleep", "60") });
  await waitUntil("twenty looks", async () => asked() >= 20, { limitMs: 60_000, signal });
  expect(lines).toEqual([]);
  await supervisor.stop(1_000);
  close();
});

it("lets a process live whose answers come late, but within the silence it is allowed", async () => {
  const lines: string[] = [];
  const supervisor = createSupervisor({ report: (_name, line) => lines.push(line), silenceMs: 4_000 });
  const late: RequestListener = (_request, response) => void setTimeout(() => response.end("{}"), 300);
  const { healthUrl, asked, close } = await listening(late);
  await supervisor.run({ name: "late", healthUrl, start: start("late", "sleep", "60") });
  await waitUntil("twelve looks", async () => asked() >= 12, { limitMs: 60_000, signal });
  expect(lines).toEqual([]);
  await supervisor.stop(1_000);
  close();
});

it("says why a process cannot be started the first time", async () => {
  const supervisor = createSupervisor({ report: () => {}, silenceMs: 500 });
  const failing = supervisor.run({ name: "none", start: () => Promise.reject(new Error("no such program")) });
  await expect(failing).rejects.toThrow("no such program");
  await supervisor.stop(1_000);
});
