import { Command } from "commander";
import { afterEach, expect, it, vi } from "vitest";
import { createScreen } from "../../../local/screen.ts";
import { CliError } from "../cli-error.ts";
import { reportFailure } from "../report-failure.ts";
import { jsonText, print, visiblePieces } from "./terminal.ts";

const hostile = "a\u202eb\u009b2J\u001b[2J\u2028\u200b\u{e0041}";
const shown = "a\\u202eb\\x9b2J\\x1b[2J\\u2028\\u200b\\u{e0041}";

afterEach(() => vi.restoreAllMocks());

it("shows what steers or deceives a terminal in every line, fault and JSON text", async () => {
  const out = vi.spyOn(console, "log").mockImplementation(() => undefined);
  const err = vi.spyOn(console, "error").mockImplementation(() => undefined);
  print(`${hostile}\nnext\tcolumn`);
  createScreen(true, () => new Date(0)).tell(hostile, hostile, { fact: hostile });
  expect(await reportFailure(new CliError(4, hostile), false, new Command())).toBe(4);
  await reportFailure(new TypeError(hostile), false, new Command());
  expect(out).toHaveBeenNthCalledWith(1, `${shown}\nnext\tcolumn`);
  const json = String(out.mock.calls[1]?.[0]);
  expect(JSON.parse(json)).toMatchObject({ event: hostile, message: hostile, fact: hostile });
  expect(json).toMatch(/^[\x20-\x7e]+$/);
  expect(err.mock.calls).toEqual([[`automation: ${shown}`], [`automation: ${shown}`]]);
});

it("indents JSON and keeps its value", () => {
  expect(JSON.parse(jsonText({ hostile }, 2))).toEqual({ hostile });
  expect(jsonText({ hostile }, 2)).toMatch(/^\{\n {2}"hostile": "[\x20-\x7e]+"\n\}$/);
});

it("leaves colours on a terminal that has them, and no other sequence", () => {
  const out = vi.spyOn(console, "log").mockImplementation(() => undefined);
  vi.stubEnv("FORCE_COLOR", "1");
  vi.stubEnv("NO_COLOR", undefined);
  print(`\u001b[31mred\u001b[39m ${hostile}\u001b[31;1m\u001b[`);
  vi.unstubAllEnvs();
  expect(out).toHaveBeenCalledWith(`\u001b[31mred\u001b[39m ${shown}\\x1b[31;1m\\x1b[`);
});

it("shows an artifact on a terminal, wherever its pieces are divided", async () => {
  const pieces = async function* () {
    for (const byte of Buffer.from(`grün\t${hostile}\n`)) yield Buffer.from([byte]);
  };
  let text = "";
  for await (const piece of visiblePieces(pieces())) text += piece;
  expect(text).toBe(`grün\t${shown}\n`);
});
