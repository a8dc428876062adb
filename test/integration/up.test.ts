import { mkdtempSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lives } from "../../local/engines/process-identity.ts";
import { waitUntil } from "../../local/engines/wait-until.ts";
import { removeStateDir } from "../support/engines/stack.ts";
import type { RunningUp } from "../support/engines/up.ts";
import { notedProcesses, readUpFile, runCli, startUp } from "../support/engines/up.ts";

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

  it("is told by status: what runs where, ready or not, with the reason", async () => {
    const status = async () => {
      const { code, stdout } = await runCli(["status", "--state", dir, "--json"]);
      return { code, ...JSON.parse(stdout) };
    };
    const whole = await status();
    expect(whole).toMatchObject({ code: 0, state: "ready", dir, pid: up.process.pid });
    expect(whole.parts.map(({ name }: { name: string }) => name).sort()).toEqual(parts);
    expect(whole.parts.find(({ name }: { name: string }) => name === "temporal").version).toMatch(/^1\.\d+\./);
    const relay = notedProcesses(dir).get("relay")?.pid ?? 0;
    process.kill(relay, "SIGSTOP");
    const without = await status().finally(() => process.kill(relay, "SIGCONT"));
    expect(without).toMatchObject({ code: 1, state: "degraded" });
    expect(without.parts.filter(({ state }: { state: string }) => state !== "ready")).toMatchObject([
      { name: "relay", state: "degraded", reasons: [expect.stringMatching(/does not answer/)] },
    ]);
    expect(await runCli(["status", "--state", tmpdir()])).toMatchObject({ code: 3, stdout: "" });
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
    expect(await runCli(["stop", "--state", otherDir])).toMatchObject({ code: 0 });
    expect(await other.exited).toBe(143);
    expect(await runCli(["stop", "--state", otherDir])).toMatchObject({ code: 3 });
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
  expect(await second.exited).toBe(130);
});

it("stops all at Ctrl-C, also while it is starting, and leaves no process and no up.json", async () => {
  for (const moment of ["starting", "ready"]) {
    const up = startUp("--state", dir);
    if (moment === "ready") await up.until(ready);
    else await waitUntil("its first processes", async () => notedProcesses(dir).size >= 3, { limitMs: 60_000, signal });
    const noted = [...notedProcesses(dir).values()];
    up.process.kill("SIGINT");
    expect(await up.exited).toBe(130);
    expect(noted.filter(lives)).toEqual([]);
    expect(notedProcesses(dir).size).toBe(0);
    expect(() => readUpFile(dir)).toThrow("ENOENT");
  }
});

it("begins with empty data when told --fresh, with the ports and keys of before unless told --new-keys", async () => {
  const keys = () => ["keys/builder.pem", "issuer/key.json"].map((key) => readFileSync(join(dir, key), "utf8"));
  const [before, ports] = [keys(), readFileSync(join(dir, "ports.json"), "utf8")];
  const up = startUp("--state", dir, "--fresh");
  await up.until(ready);
  await expect(query("select * from public.kept")).rejects.toMatchObject({ code: "42P01" });
  expect(keys()).toEqual(before);
  expect(readFileSync(join(dir, "ports.json"), "utf8")).toBe(ports);
  up.process.kill("SIGINT");
  expect(await up.exited).toBe(130);
  expect(await runCli(["up", "--state", dir, "--new-keys"])).toMatchObject({ code: 2 });
  expect(keys()).toEqual(before);
  expect((await runCli(["up", "--state", dir, "--fresh", "--new-keys", "--once"])).code).toBe(0);
  for (const [index, key] of keys().entries()) expect(key).not.toBe(before[index]);
});

it("names an unknown option, and a folder that cannot be made", async () => {
  expect(await runCli(["up", "--nothing"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--nothing") });
  for (const [dir, why] of [
    ["/dev/null/state", "is a file"],
    ["/proc/state", "can't be made"],
    [`/tmp/${"x".repeat(300)}`, "ENAMETOOLONG"],
  ])
    expect(await runCli(["up", "--state", dir ?? ""])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(why ?? ""),
    });
});
