import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { UpState } from "../../../local/up/running-stack.ts";
import { registerCommands } from "../commands.ts";

const state: UpState = {
  pid: process.pid,
  api: { url: "http://127.0.0.1:8094" },
  kafka: { brokers: ["127.0.0.1:9096", "127.0.0.1:9097"] },
  postgres: { url: "postgres://postgres:s3cret@127.0.0.1:5434/automation" },
  temporal: { address: "127.0.0.1:7235", namespace: "automation", uiUrl: "http://127.0.0.1:8235" },
  s3: { endpoint: "http://127.0.0.1:7072", region: "r", bucket: "b", accessKeyId: "k", secretAccessKey: "hidden" },
  issuer: { url: "http://127.0.0.1:8099" },
};
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "automation-url-"));
  writeFileSync(join(dir, "up.json"), JSON.stringify(state));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

/** @returns the lines that `automation url` prints for a stack */
async function url(...words: string[]): Promise<string[]> {
  const out = vi.spyOn(console, "log").mockImplementation(() => undefined);
  out.mockClear();
  const program = new Command().exitOverride();
  await registerCommands(program, "url");
  await program.parseAsync(["url", ...words, "--state", dir], { from: "user" });
  return out.mock.calls.map(([line]) => String(line));
}

it("prints one address as programs take it", async () => {
  expect(await url("api")).toEqual(["http://127.0.0.1:8094"]);
  expect(await url("kafka")).toEqual(["127.0.0.1:9096,127.0.0.1:9097"]);
  expect(await url("temporal-ui")).toEqual(["http://127.0.0.1:8235"]);
  expect(await url("postgres")).toEqual([state.postgres.url]);
  expect(await url("temporal", "--json")).toEqual(['{"temporal":"127.0.0.1:7235"}']);
});

it("lists all of them, without a password", async () => {
  const lines = await url();
  expect(lines).toHaveLength(7);
  expect(lines[0]).toMatch(/^api +http:\/\/127\.0\.0\.1:8094$/);
  const [json = ""] = await url("--json");
  expect(JSON.parse(json)).toMatchObject({
    s3: "http://127.0.0.1:7072",
    postgres: "postgres://postgres@127.0.0.1:5434/automation",
  });
  expect(`${lines} ${json}`).not.toMatch(/s3cret|hidden/);
});

it("refuses a name that the stack does not have, and says what it has, and when there is a Scrum service", async () => {
  const known = "api, temporal, temporal-ui, kafka, postgres, s3, issuer";
  await expect(url("kafak")).rejects.toMatchObject({
    exitCode: 2,
    message: `"kafak" is no part of this stack; name one of ${known}`,
  });
  await expect(url("scrum")).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("`automation up --demo`"),
  });
  await expect(url("toString")).rejects.toMatchObject({ exitCode: 2 });
  rmSync(join(dir, "up.json"));
  await expect(url("api")).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringContaining("start one with `automation up`"),
  });
});
