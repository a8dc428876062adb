import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { expect, it } from "vitest";
import { registerProcesses } from "../src/cli/commands/process.ts";
import { registerCommands } from "../src/cli/commands.ts";
import { commandOf } from "../src/cli/usage/as-typed.ts";
import { clone } from "./support/engines/stack.ts";
import { blocksOf, inlineCodeOf, pages } from "./support/probes/pages.ts";

/** What can be told of the pages' commands without running them; test/e2e/documented-commands.test.ts runs them. */

it.each(pages)("%s says of each block what it is, and has commands in blocks `sh` only", (page) => {
  for (const { language, label, line, text } of blocksOf(page)) {
    const at = `${page}:${line} \`\`\`${language} ${label}`;
    expect(["sh", "console", "text", "mermaid", "yaml", "json", "js"], at).toContain(language);
    if (language !== "sh")
      expect(text, at).not.toMatch(
        /^\s*(\$ )?(npx|npm|\S*automation|kcat|curl|openssl|temporal|grpcurl|buf|docker|apt-get) \S/m,
      );
  }
});

it.each(pages)("%s names only commands that there are, in a way that runs in the clone", (page) => {
  const lines = blocksOf(page).flatMap(({ language, text }) => (language === "sh" ? text.split("\n") : []));
  const named = inlineCodeOf(page).filter((code) => /^(npx |\.\/)?automation( |$)/.test(code));
  for (const code of named)
    expect(code, "automation alone is in nobody's path").toMatch(/^(npx automation( |$)|automation$)/);
  const calls = [...named, ...lines].flatMap((code) => [...code.matchAll(/\bnpx automation ([^`)|&;]*)/g)]);
  for (const [call, words = ""] of calls) expect(faultOf(words.split(/\s+/).filter(Boolean)), call).toBeUndefined();
});

it.each(pages)("%s names only scripts that package.json has", (page) => {
  const { scripts } = JSON.parse(readFileSync(join(clone, "package.json"), "utf8"));
  const lines = blocksOf(page).flatMap(({ language, text }) => (language === "sh" ? text.split("\n") : []));
  for (const code of [...inlineCodeOf(page), ...lines]) {
    const [, , name] = /^npm (run )?(\S+)/.exec(code) ?? [];
    if (name !== undefined && name !== "ci") expect(Object.keys(scripts), code).toContain(name);
  }
});

it("names in the program's own texts only commands that there are", () => {
  const files = ["src/**/*.ts", "workers/**/*.ts", "local/**/*.ts", "src/cli/*.mjs", "proto/**/*.proto"].flatMap(
    (glob) => globSync(glob, { cwd: clone }),
  );
  const named = files
    .filter((file) => !/\.test\.ts$|^src\/gen\//.test(file))
    .flatMap((file) =>
      [...readFileSync(join(clone, file), "utf8").matchAll(/`(?:npx )?automation ([^`\\(]+)\\?`/g)].map(
        ([, words = ""]) => ({ file, words }),
      ),
    );
  expect(named.length).toBeGreaterThan(20);
  for (const { file, words } of named)
    expect(faultOf(words.split(" "), { orGroup: true }), `${file}: automation ${words}`).toBeUndefined();
});

const program = new Command("automation");
await registerCommands(program);
registerProcesses(program);

/**
 * @param orGroup - whether the name of a group of commands will do
 * @returns the first word that the program would refuse as a command or an option
 */
function faultOf(words: readonly string[], { orGroup = false } = {}): string | undefined {
  const { command, isWhole } = commandOf(program, words);
  if (!isWhole)
    return orGroup && command !== program && pathOf(command).length === words.length
      ? undefined
      : `after ${command.name()}`;
  return words.find(
    (word) => /^--?[a-z]/.test(word) && !command.options.some(({ short, long }) => [short, long].includes(word)),
  );
}

const pathOf = (command: Command): string[] =>
  command.parent === null ? [] : [...pathOf(command.parent), command.name()];
