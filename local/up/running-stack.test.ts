import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { UpState } from "./running-stack.ts";
import { findRunningStack, requireRunningStack } from "./running-stack.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "automation-where-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const state = (pid = process.pid): UpState => ({
  pid,
  api: { url: "http://127.0.0.1:8080" },
  kafka: { brokers: ["127.0.0.1:9092"] },
  postgres: { url: "postgres://127.0.0.1" },
  temporal: { address: "127.0.0.1:7233", namespace: "automation", uiUrl: "http://127.0.0.1:8233" },
  s3: { endpoint: "http://127.0.0.1:7070", region: "r", bucket: "b", accessKeyId: "k", secretAccessKey: "s" },
  issuer: { url: "http://127.0.0.1:8090" },
});

function write(dir: string, content: unknown): string {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "up.json"), typeof content === "string" ? content : JSON.stringify(content));
  return dir;
}

it("finds the stack of the nearest .automation upwards", () => {
  const dir = write(join(folder, ".automation"), state());
  const below = join(folder, "a", "b");
  mkdirSync(below, { recursive: true });
  expect(findRunningStack(below)).toEqual({ ...state(), dir });
  const nearer = write(join(folder, "a", ".automation"), state());
  expect(findRunningStack(below)?.dir).toBe(nearer);
});

it("looks nowhere else when a folder is named", () => {
  write(join(folder, ".automation"), state());
  expect(() => requireRunningStack(folder, "elsewhere")).toThrow(
    `no local stack is running in ${join(folder, "elsewhere")}; start one with \`automation up\``,
  );
});

it("says so when the stack is there and does not run", () => {
  const dir = write(join(folder, ".automation"), state(2 ** 22 + 1));
  expect(() => findRunningStack(folder)).toThrow(`the stack in ${dir} is not running`);
});

it.each(["", "{", "[]", '{"pid":1}', JSON.stringify({ ...state(), s3: { endpoint: 1 } })])(
  "names an up.json that up did not write: %j",
  (content) => {
    const dir = write(join(folder, ".automation"), content);
    expect(() => findRunningStack(folder)).toThrow(`${join(dir, "up.json")} is not what \`automation up\` writes`);
  },
);
