import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { lockFile } from "./file-lock.ts";

const signal = AbortSignal.timeout(60_000);
const dir = mkdtempSync(join(tmpdir(), "automation-lock-"));
const aPath = () => join(dir, crypto.randomUUID());
afterAll(() => rmSync(dir, { recursive: true }));

it("is held by one at a time, and free again after release", async () => {
  const path = aPath();
  const held = await lockFile(path, { wait: false, signal });
  expect(await lockFile(path, { wait: false, signal })).toBeUndefined();
  await held?.release();
  const again = await lockFile(path, { wait: false, signal });
  expect(again).toBeDefined();
  await again?.release();
});

it("hands over to the one who waits", async () => {
  const path = aPath();
  const held = await lockFile(path, { wait: false, signal });
  const waiting = lockFile(path, { wait: true, signal });
  await held?.release();
  await (await waiting)?.release();
});

it("is free as soon as its holder was killed", async () => {
  const path = aPath();
  const module = new URL("./file-lock.ts", import.meta.url).href;
  const script = `const { lockFile } = await import(${JSON.stringify(module)});
    await lockFile(${JSON.stringify(path)}, { wait: false, signal: new AbortController().signal });
    console.log("held"); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  expect(await lockFile(path, { wait: false, signal })).toBeUndefined();
  holder.kill("SIGKILL");
  await (await lockFile(path, { wait: true, signal }))?.release();
});

it("gives up waiting when told to", async () => {
  const path = aPath();
  const held = await lockFile(path, { wait: false, signal });
  const stop = new AbortController();
  const waiting = lockFile(path, { wait: true, signal: stop.signal });
  stop.abort();
  await expect(waiting).rejects.toThrow("aborted");
  await held?.release();
});
