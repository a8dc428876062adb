import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { CliError } from "../cli-error.ts";
import { cloneDir } from "../clone.ts";
import { registerCommands } from "../commands.ts";
import { reportFailure } from "../report-failure.ts";
import { asTyped } from "./as-typed.ts";
import { programAsTyped } from "./command-line.ts";

let elsewhere: string;
beforeEach(() => {
  elsewhere = mkdtempSync(join(tmpdir(), "automation elsewhere-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(elsewhere, { recursive: true });
});

/** A command as its reader typed it. */
function typed(...words: string[]): Command {
  const program = new Command("automation");
  registerCommands(program);
  let at: Command | undefined = program;
  for (const word of words.filter((each) => !each.startsWith("--")))
    at = at?.commands.find((each) => each.name() === word);
  if (at === undefined) throw new Error(`there is no ${words.join(" ")}`);
  at.parseOptions(words.filter((each) => each.startsWith("--")));
  return at;
}

const here = ["--tenant=acme", "--org=retail", "--state=/elsewhere/state"];

it("gives the command of a remedy what it needs of tenant, org and state, and nothing that it does not take", () => {
  const at = typed("run", "describe", ...here);
  expect(asTyped("run x is unknown; `automation run list` shows them, `automation up` starts a stack", at)).toBe(
    "run x is unknown; `npx automation run list --tenant acme --org retail --state /elsewhere/state` shows them, `npx automation up --state /elsewhere/state` starts a stack",
  );
  expect(asTyped("`automation persona digest FOLDER`", at)).toBe("`npx automation persona digest FOLDER`");
  expect(
    asTyped("`automation run list --tenant globex --org eng`", typed("run", "list", "--tenant=acme", "--org=retail")),
  ).toBe("`npx automation run list --tenant globex --org eng`");
});

it("leaves what is no command of ours", () => {
  for (const text of ["`automation`", "`automation rm -rf`", "`automation run`", "an automation run list", "`$(x)`"])
    expect(asTyped(text, typed("run", "list", ...here))).toBe(text);
});

it("does so in every fault, for people and as JSON", () => {
  const err = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const fault = new CliError(3, "nothing runs", { remedy: 'start it with `automation up`, "again"' });
  for (const json of [false, true]) reportFailure(fault, json, typed("run", "list", "--state=/it's here"));
  const [[line], [json]] = err.mock.calls as [[string], [string]];
  expect(line).toContain("`npx automation up --state '/it'\\''s here'`");
  expect(JSON.parse(json).remedy).toBe("start it with `npx automation up --state '/it'\\''s here'`, \"again\"");
});

it("is called by npx only where that finds the clone, else by its path", () => {
  expect(programAsTyped(cloneDir)).toBe("npx automation");
  expect(programAsTyped(join(cloneDir, "docs"))).toBe("npx automation");
  const path = join(cloneDir, "automation");
  expect(programAsTyped(elsewhere)).toBe(path);
  expect(programAsTyped(join(cloneDir, "examples/demo/repository"))).toBe(path); // a package of its own
  mkdirSync(join(elsewhere, "below"));
  writeFileSync(join(elsewhere, "package.json"), "{}");
  expect(programAsTyped(join(elsewhere, "below"))).toBe(path);
});
