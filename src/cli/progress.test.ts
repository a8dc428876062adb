import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createLiveLines, createProgress } from "./progress.mjs";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("tells a task without a terminal when it begins, every 15 s, and when it ends", () => {
  const printed: string[] = [];
  const task = createProgress({ print: (line) => printed.push(line) }).begin("building x", "about a minute");
  expect(printed).toEqual(["building x: about a minute"]);
  for (let packages = 0; packages < 149; packages += 1) {
    task.step(`${packages} of 200 packages`);
    vi.advanceTimersByTime(200);
  }
  expect(printed.slice(1)).toEqual(["building x: 74 of 200 packages (15 s)"]);
  task.end("built x");
  task.end("told once only");
  vi.advanceTimersByTime(60_000);
  expect(printed.slice(2)).toEqual(["built x in 30 s"]);
});

it("shows each task on a line of its own in a terminal, and takes it away at its end", () => {
  const shown: string[][] = [];
  const printed: string[] = [];
  const live = { show: (lines: string[]) => shown.push(lines) };
  const { begin } = createProgress({ live, print: (line) => printed.push(line) });
  const x = begin("building x", "about a minute");
  const y = begin("fetching y", "some seconds");
  x.step("3 of 9 packages");
  vi.advanceTimersByTime(1_000);
  expect(shown.at(-1)).toEqual(["building x: 3 of 9 packages (1 s)", "fetching y: some seconds (1 s)"]);
  y.end();
  expect(shown.at(-1)).toEqual(["building x: 3 of 9 packages (1 s)"]);
  x.end("built x");
  expect(shown.at(-1)).toEqual([]);
  expect(printed).toEqual(["built x in 1 s"]);
  const frames = shown.length;
  vi.advanceTimersByTime(10_000);
  expect(shown).toHaveLength(frames);
});

/** A terminal that obeys what the live lines use of it: going up, back to the first column, and clearing below. */
function aTerminal(size: { columns: number; rows: number }) {
  const screen = [""];
  let row = 0;
  const put = (text: string) => {
    expect(text.length).toBeLessThan(size.columns);
    screen[row] = (screen[row] ?? "") + text;
  };
  const putLines = (text: string) => {
    const [first = "", ...more] = text.split("\n");
    put(first);
    for (const line of more) {
      row += 1;
      put(line);
    }
  };
  const write = (text: string) => {
    const [plain = "", ...controlled] = text.split("\u001b[");
    putLines(plain);
    for (const part of controlled) {
      if (part.startsWith("J")) screen.splice(row);
      else row -= Number(part.replace("A\r", ""));
      putLines(part.replace(/^\d*[AJ]\r?/, ""));
    }
    return true;
  };
  return { isTTY: true, ...size, write, screen } as unknown as NodeJS.WriteStream & { screen: string[] };
}

it("keeps live lines below what is printed, whole on a row each, and leaves nothing of them", () => {
  const terminal = aTerminal({ columns: 20, rows: 24 });
  const live = createLiveLines(terminal);
  if (live === undefined) throw new Error("it is a terminal");
  live.show(["one", "a line that is longer than the terminal is wide"]);
  live.above(() => terminal.write("printed\n"));
  expect(terminal.screen).toEqual(["printed", "one", "a line that is long", ""]);
  live.show(["two"]);
  live.above(() => terminal.write("more\n"));
  expect(terminal.screen).toEqual(["printed", "more", "two", ""]);
  live.show([]);
  live.above(() => terminal.write("end\n"));
  expect(terminal.screen).toEqual(["printed", "more", "end", ""]);
});

it("has no live lines where there is no terminal, or one that cannot go back", () => {
  expect(createLiveLines({ isTTY: false } as NodeJS.WriteStream)).toBeUndefined();
  vi.stubEnv("TERM", "dumb");
  expect(createLiveLines(aTerminal({ columns: 80, rows: 24 }))).toBeUndefined();
  vi.unstubAllEnvs();
});
