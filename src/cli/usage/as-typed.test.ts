import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { CliError } from "../cli-error.ts";
import { cloneDir } from "../clone.ts";
import { registerCommands } from "../commands.ts";
import { reportFailure } from "../report-failure.ts";
import { asTyped, defineNamed } from "./as-typed.ts";
import { programAsTyped } from "./command-line.ts";

let elsewhere: string;
beforeEach(() => {
  elsewhere = mkdtempSync(join(tmpdir(), "automation elsewhere-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(elsewhere, { recursive: true });
});

/** A command as its reader typed it; no other verb is defined. */
async function typed(...words: string[]): Promise<Command> {
  const program = new Command("automation");
  await registerCommands(program, words[0]);
  let at: Command | undefined = program;
  for (const word of words.filter((each) => !each.startsWith("--")))
    at = at?.commands.find((each) => each.name() === word);
  if (at === undefined) throw new Error(`there is no ${words.join(" ")}`);
  at.parseOptions(words.filter((each) => each.startsWith("--")));
  return at;
}

/** The text as the command shows it. */
async function shown(text: string, at: Command): Promise<string> {
  await defineNamed(text, at);
  return asTyped(text, at);
}

const here = ["--tenant=acme", "--org=retail", "--state=/elsewhere/state"];

it("gives the command of a remedy what it needs of tenant, org and state, and nothing that it does not take", async () => {
  const at = await typed("run", "describe", ...here);
  expect(await shown("run x is unknown; `automation run list` shows them, `automation up` starts a stack", at)).toBe(
    "run x is unknown; `npx automation run list --tenant acme --org retail --state /elsewhere/state` shows them, `npx automation up --state /elsewhere/state` starts a stack",
  );
  expect(await shown("`automation persona digest FOLDER`", at)).toBe("`npx automation persona digest FOLDER`");
  expect(
    await shown(
      "`automation run list --tenant globex --org eng`",
      await typed("run", "list", "--tenant=acme", "--org=retail"),
    ),
  ).toBe("`npx automation run list --tenant globex --org eng`");
});

it("leaves what is no command of ours", async () => {
  for (const text of ["`automation`", "`automation rm -rf`", "`automation run`", "an automation run list", "`$(x)`"])
    expect(await shown(text, await typed("run", "list", ...here))).toBe(text);
});

it("does so in every fault, for people and as JSON", async () => {
  const err = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const fault = new CliError(3, "nothing runs", { remedy: 'start it with `automation up`, "again"' });
  for (const json of [false, true]) await reportFailure(fault, json, await typed("run", "list", "--state=/it's here"));
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
