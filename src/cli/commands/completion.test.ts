import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, expect, it } from "vitest";
import { registerCommands } from "../commands.ts";
import { completionScript } from "./completion.ts";

const program = new Command("automation");
await registerCommands(program);
const script = completionScript(program, "bash");
const folder = mkdtempSync(join(tmpdir(), "automation-completion-"));
mkdirSync(join(folder, "logs"));
writeFileSync(join(folder, "my file.yaml"), "");
afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers at a TAB after each of these lines of words, the last of which is begun. */
function offered(...lines: readonly (readonly string[])[]): string[][] {
  const asked = lines.map((words) => {
    const all = ["automation", ...words].map((word) => `'${word}'`).join(" ");
    return `COMP_WORDS=(${all}); COMP_CWORD=${words.length}; _automation; printf '%s\\n' "\${COMPREPLY[@]}"; echo =`;
  });
  const { stdout, stderr } = spawnSync("bash", ["-c", [script, ...asked].join("\n")], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout
    .split("=\n")
    .slice(0, -1)
    .map((part) => part.split("\n").filter((line) => line !== ""));
}

function leavesOf(command: Command, path: readonly string[] = []): { command: Command; path: readonly string[] }[] {
  const below = command.commands.flatMap((verb) => leavesOf(verb, [...path, verb.name()]));
  return [{ command, path }, ...below];
}

it("offers every verb and option of every command", () => {
  const places = leavesOf(program);
  const answers = offered(...places.map(({ path }) => [...path, ""]));
  for (const [index, { command }] of places.entries()) {
    const expected = [...command.commands.map((verb) => verb.name()), ...command.options.map(({ long }) => long)];
    expect(answers[index]).toEqual(expect.arrayContaining(expected));
  }
  expect(places.length).toBeGreaterThan(25);
});

it("offers the values of an option that has fixed ones, and nothing after one that is anybody's", () => {
  expect(offered(["run", "list", "--status", "F"], ["completion", "z"], ["run", "list", "--profile", ""])).toEqual([
    ["FAILED"],
    ["zsh"],
    [],
  ]);
});

it("finds the verb behind options, and begun words", () => {
  expect(offered(["run", "li"], ["run", "--x", "list", "--sta"], ["lo"])).toEqual([
    ["list"],
    ["--status", "--state"],
    ["logs"],
  ]);
});

it("completes after npx, too", () => {
  const asked = "COMP_WORDS=(npx automation run li); COMP_CWORD=3; _automation_npx; echo $COMPREPLY";
  expect(spawnSync("bash", ["-c", `${script}\n${asked}`], { encoding: "utf8" }).stdout).toBe("list\n");
});

it("offers files where one is wanted, with spaces in their names", () => {
  expect(offered(["apply", "-f", "my"], ["persona", "publish", "lo"])).toEqual([["my file.yaml"], ["logs"]]);
});
