import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readOperator } from "../../src/config/operator.ts";
import type { Folder } from "./state-folder.ts";
import { folderOf, prepareFolder, readSecrets, takeFolder, wipe, writeOperatorFile } from "./state-folder.ts";

const signal = AbortSignal.timeout(60_000);
let folder: Folder;

beforeEach(() => {
  folder = folderOf(mkdtempSync(join(tmpdir(), "automation-state-")));
});

afterEach(() => rmSync(folder.dir, { recursive: true }));

const endpoint = () => readOperator(folder.operatorFile).methodologies.scrum?.endpoint;
const edit = (from: string, to: string) =>
  writeFileSync(folder.operatorFile, readFileSync(folder.operatorFile, "utf8").replace(from, to));

it("writes an operator file that the processes accept, with the endpoint and token file of this stack", () => {
  writeOperatorFile(folder, "http://127.0.0.1:9999", undefined);
  expect(endpoint()).toBe("http://127.0.0.1:9999");
  expect(readOperator(folder.operatorFile).methodologies.scrum?.tokenFile).toBe(folder.scrumToken);
});

it("follows the Scrum service to another port and keeps every other edit", () => {
  writeOperatorFile(folder, "http://127.0.0.1:8091", undefined);
  edit("tenants: [acme]", "tenants: [acme, other] # mine");
  writeOperatorFile(folder, "http://127.0.0.1:8095", "http://127.0.0.1:8091");
  expect(endpoint()).toBe("http://127.0.0.1:8095");
  expect(readFileSync(folder.operatorFile, "utf8")).toContain("tenants: [acme, other] # mine");
});

it("leaves an endpoint alone that the operator has pointed elsewhere", () => {
  writeOperatorFile(folder, "http://127.0.0.1:8091", undefined);
  edit("http://127.0.0.1:8091", "https://scrum.example");
  writeOperatorFile(folder, "http://127.0.0.1:8095", "http://127.0.0.1:8091");
  expect(endpoint()).toBe("https://scrum.example");
});

it("names an operator file that is not YAML", () => {
  writeFileSync(folder.operatorFile, "sources: [");
  expect(() => writeOperatorFile(folder, "http://127.0.0.1:1", undefined)).toThrow(
    `${folder.operatorFile} is not YAML`,
  );
});

it("makes secrets once, for its owner only", () => {
  const secrets = readSecrets(folder);
  expect(readSecrets(folder)).toEqual(secrets);
  expect(new Set(Object.values(secrets)).size).toBe(8);
  const { check: _, ...before } = secrets;
  writeFileSync(folder.secretsFile, JSON.stringify(before));
  expect(readSecrets(folder)).toEqual({ ...before, check: expect.any(String) });
  expect(statSync(folder.secretsFile).mode & 0o777).toBe(0o600);
});

it("answers who holds the folder, and is free again after release", async () => {
  const lock = await takeFolder(folder, signal);
  await expect(takeFolder(folder, signal)).rejects.toMatchObject({
    exitCode: 1,
    message: `already running, pid ${process.pid}, still starting`,
  });
  await lock.release();
  await (await takeFolder(folder, signal)).release();
});

it("wipes what the stack has made and nothing that is somebody else's", () => {
  readSecrets(folder);
  prepareFolder(folder);
  writeFileSync(join(folder.dir, "notes.txt"), "mine");
  writeFileSync(folder.portsFile, "{}");
  wipe(folder, { newKeys: false });
  expect(() => statSync(folder.secretsFile)).toThrow("ENOENT");
  expect(() => statSync(folder.scrumToken)).toThrow("ENOENT");
  for (const kept of [folder.keys, folder.portsFile]) expect(statSync(kept)).toBeDefined();
  wipe(folder, { newKeys: true });
  for (const gone of [folder.keys, folder.portsFile]) expect(() => statSync(gone)).toThrow("ENOENT");
  expect(readFileSync(join(folder.dir, "notes.txt"), "utf8")).toBe("mine");
});
