import { describe, expect, it } from "vitest";
import { createRedactor } from "../redact.ts";
import type { Tell } from "../step-end.ts";
import { createOutputLines } from "./output-lines.ts";

const printing = (how: { tell?: Tell; everyMs?: number } = {}) => {
  const told: Parameters<Tell>[0][] = [];
  let ms = 0;
  const output = createOutputLines({
    stepId: "build",
    redactor: createRedactor(["a-secret"]),
    tell: async (event) => {
      told.push(event);
      await how.tell?.(event);
    },
    now: () => {
      ms += how.everyMs ?? 0;
      return new Date(ms);
    },
  });
  return { output, told, messages: () => told.map(({ message }) => message) };
};

describe("what a program prints", () => {
  it("is told without control characters, and kept with them", async () => {
    const { output, messages } = printing();
    const text = "\u001b[31mred\u001b[0m\n 10 %\r 99 %\r100 %\r\nnul\u0000\u0007 a-sec\u001b[0mret\ud83d\n";
    await output.onStdout(Buffer.from(text));
    await output.onStderr(Buffer.from("no line feed, a-se"));
    await output.onStderr(Buffer.from("cret"));
    const log = await output.end();
    expect(messages()).toEqual([
      { text: "red\n100 %\nnul [redacted]\ufffd", stepId: "build" },
      { text: "no line feed, [redacted]", stepId: "build" },
    ]);
    expect(log.toString()).toBe(`${text.replace("\ud83d", "\ufffd")}no line feed, [redacted]`);
    expect(output.lastLine()).toBe("no line feed, [redacted]");
  });

  it("is told in few events, and marked where something is missing", async () => {
    const { output, messages } = printing();
    for (let index = 0; index < 1_000; index += 1) await output.onStdout(Buffer.from(`line ${index}\n`));
    await output.onStdout(Buffer.from(`${"x".repeat(100_000)}\n`));
    await output.end();
    expect(messages()[0]).toEqual({ text: "line 0", stepId: "build" });
    expect(messages()).toHaveLength(2);
    expect(messages()[1]).toMatchObject({ truncated: true, text: expect.stringMatching(/^line 1\nline 2\n/) });
    expect(messages()[1]?.text?.length).toBeLessThanOrEqual(16_000);
  });

  it("ends in events after so many, and goes on in the log", async () => {
    const { output, messages } = printing({ everyMs: 1_000 });
    for (let index = 0; index < 2_500; index += 1) await output.onStdout(Buffer.from(`line ${index}\n`));
    const log = (await output.end()).toString();
    expect(messages()).toHaveLength(2_000);
    expect(messages().at(-1)).toMatchObject({
      truncated: true,
      text: expect.stringContaining("the rest is in its log"),
    });
    expect(log.split("\n")).toHaveLength(2_501);
  });

  it("is kept up to 4 MiB: its beginning and its end", async () => {
    const { output } = printing();
    for (let index = 0; index < 600; index += 1)
      await output.onStdout(Buffer.from(`${String(index).padStart(5)} ${"x".repeat(10_000)}\n`));
    const log = await output.end();
    expect(log.byteLength).toBeLessThan(4 * 1024 * 1024 + 100);
    expect(log.toString()).toMatch(/^ {4}0 x/);
    expect(log.toString()).toMatch(/\n {2}599 x+\n$/);
    const leftOut = Number(/\n\[… (\d+) bytes were left out here …\]\n/.exec(log.toString())?.[1]);
    expect(leftOut).toBe(600 * 10_007 - 4 * 1024 * 1024);
  });

  it("waits for whoever is told, and fails with them", async () => {
    const taken = Promise.withResolvers<void>();
    const { output } = printing({ tell: () => taken.promise });
    const pushed = output.onStdout(Buffer.from("one\n"));
    let isTaken = false;
    void pushed.catch(() => (isTaken = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isTaken).toBe(false);
    taken.reject(new Error("the spool is closed"));
    await expect(pushed).rejects.toThrow("the spool is closed");
    await expect(output.end()).rejects.toThrow("the spool is closed");
  });

  it("is told while it runs when the host's clock is set back", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { output, messages } = printing({
      everyMs: -3_600_000,
      tell: async ({ message }) => {
        if (message?.text === "two") resolve();
      },
    });
    await output.onStdout(Buffer.from("one\n"));
    await output.onStdout(Buffer.from("two\n"));
    await promise;
    expect(messages()).toHaveLength(2);
    await output.end();
  });
});
