import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import { untilInterrupted } from "./interrupt.ts";

afterEach(() => {
  process.exitCode = undefined;
  vi.useRealTimers();
});

const forEver = (signal: AbortSignal) => sleep(2 ** 30, undefined, { signal });

it.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)("%s ends a command with %i", async (name, code) => {
  const working = untilInterrupted(forEver);
  process.emit(name, name);
  expect(await working).toBeUndefined();
  expect(process.exitCode).toBe(code);
});

it("says so, too, when the work ends well after it was interrupted", async () => {
  const working = untilInterrupted((signal) => forEver(signal).catch(() => "cleaned up"));
  process.emit("SIGINT", "SIGINT");
  expect(await working).toBeUndefined();
  expect(process.exitCode).toBe(130);
});

it("takes a signal that comes twice at once for one, and a later one for haste", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const hurry = vi.fn();
  const end = new AbortController();
  const working = untilInterrupted(() => forEver(end.signal).catch(() => undefined), hurry);
  process.emit("SIGINT", "SIGINT");
  process.emit("SIGINT", "SIGINT");
  expect(hurry).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1_000);
  process.emit("SIGINT", "SIGINT");
  expect(hurry).toHaveBeenCalledWith(130);
  end.abort();
  await working;
});

it("leaves faults, and what ended before, alone", async () => {
  await expect(untilInterrupted(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await untilInterrupted(async () => 1)).toBe(1);
  expect(process.exitCode).toBeUndefined();
});
