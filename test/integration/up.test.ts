import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lives } from "../../src/engines/process-identity.ts";
import { waitUntil } from "../../src/engines/wait-until.ts";
import { removeStateDir } from "../support/stack.ts";
import type { RunningUp } from "../support/up.ts";
import { notedProcesses, readUpFile, runCli, startUp } from "../support/up.ts";

const signal = AbortSignal.timeout(20 * 60_000);
const dir = mkdtempSync(join(tmpdir(), "automation-up-"));
const parts = ["api", "dispatcher", "issuer", "kafka", "postgres", "relay", "s3", "temporal", "worker", "workspace"];
const ready = ({ event }: { event: string }) => event === "ready";

const query = async (sql: string) => {
  const client = new pg.Client(readUpFile(dir).postgres.url);
  await client.connect();
  return await client.query(sql).finally(() => client.end());
};

afterAll(() => removeStateDir(dir));

describe("a stack that runs", () => {
  let up: RunningUp;

  beforeAll(async () => {
    up = startUp("--state", dir);
    await up.until(ready);
  });

  afterAll(async () => {
    up.process.kill("SIGKILL");
    await up.exited;
  });

  it("writes where everything is to up.json, for its owner only", async () => {
    expect(statSync(join(dir, "up.json")).mode & 0o777).toBe(0o600);
    const state = readUpFile(dir);
    expect(state).toMatchObject({
      pid: up.process.pid,
      s3: { bucket: "automation" },
      temporal: { namespace: "automation" },
    });
    expect((await fetch(state.temporal.uiUrl)).status).toBe(200);
    for (const path of ["/healthz", "/readyz"]) expect((await fetch(`${state.api.url}${path}`)).status).toBe(200);
    expect([...notedProcesses(dir).keys()].sort()).toEqual(parts);
  });

  it("refuses a second up on the same folder and says who runs", async () => {
    const second = await runCli(["up", "--state", dir]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`already running, pid ${up.process.pid}, ${readUpFile(dir).api.url}`);
  });

  it("runs beside a stack in another folder, which uses other ports", async () => {
    const otherDir = mkdtempSync(join(tmpdir(), "automation-up-"));
    const other = startUp("--state", otherDir);
    await other.until(ready);
    expect(readUpFile(otherDir).api.url).not.toBe(readUpFile(dir).api.url);
    expect((await fetch(`${readUpFile(dir).api.url}/healthz`)).status).toBe(200);
    other.process.kill("SIGINT");
    expect(await other.exited).toBe(0);
    removeStateDir(otherDir);
  });

  it("gives tokens to who names tenant, org, role and subject, and names what is missing", async () => {
    const token = ["token", "--state", dir, "--tenant", "acme", "--role", "viewer", "--subject", "ada"];
    expect((await runCli([...token, "--org", "eng"])).stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(await runCli(token)).toMatchObject({ code: 2, stderr: expect.stringContaining("--org is required") });
    expect(await runCli([...token, "--org", "Eng"])).toMatchObject({ code: 2 });
  });

  it.each(["relay", "kafka"])("starts a killed %s again and reports it", async (name) => {
    const killed = notedProcesses(dir).get(name);
    if (killed === undefined) throw new Error(`${name} is not noted`);
    process.kill(killed.pid, "SIGKILL");
    await up.until(
      ({ event, message }) => event === "process" && message.startsWith(`${name} ended (killed by SIGKILL)`),
    );
    await up.until(({ event, message }) => event === "process" && message.startsWith(`${name} is back`));
    expect(notedProcesses(dir).get(name)?.pid).not.toBe(killed.pid);
  });
});

it("goes on after kill -9 of up: what was left is gone, ports and data are the same", async () => {
  const first = startUp("--state", dir);
  await first.until(ready);
  await query("create table if not exists public.kept (n int)");
  const { api } = readUpFile(dir);
  const before = [...notedProcesses(dir).values()];
  first.process.kill("SIGKILL");
  await first.exited;
  const token = await runCli([
    "token",
    "--state",
    dir,
    "--tenant",
    "t",
    "--org",
    "o",
    "--role",
    "viewer",
    "--subject",
    "s",
  ]);
  expect(token).toMatchObject({ code: 3, stderr: expect.stringContaining("is not running; start it with") });
  const second = startUp("--state", dir);
  await second.until(ready);
  expect(before.filter(lives)).toEqual([]);
  expect(readUpFile(dir).api).toEqual(api);
  expect((await query("select * from public.kept")).rowCount).toBe(0);
  second.process.kill("SIGINT");
  expect(await second.exited).toBe(0);
});

it("stops all at Ctrl-C, also while it is starting, and leaves no process and no up.json", async () => {
  for (const moment of ["starting", "ready"]) {
    const up = startUp("--state", dir);
    if (moment === "ready") await up.until(ready);
    else await waitUntil("its first processes", async () => notedProcesses(dir).size >= 3, { limitMs: 60_000, signal });
    const noted = [...notedProcesses(dir).values()];
    up.process.kill("SIGINT");
    expect(await up.exited).toBe(moment === "ready" ? 0 : 130);
    expect(noted.filter(lives)).toEqual([]);
    expect(notedProcesses(dir).size).toBe(0);
    expect(() => readUpFile(dir)).toThrow("ENOENT");
  }
});

it("begins with empty data when told --fresh", async () => {
  const up = startUp("--state", dir, "--fresh");
  await up.until(ready);
  await expect(query("select * from public.kept")).rejects.toMatchObject({ code: "42P01" });
  up.process.kill("SIGINT");
  expect(await up.exited).toBe(0);
});

it("names an unknown option, and a folder that cannot be made", async () => {
  expect(await runCli(["up", "--nothing"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--nothing") });
  expect((await runCli(["up", "--state", "/dev/null/state"])).code).toBe(1);
});
