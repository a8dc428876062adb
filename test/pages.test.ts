import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { expect, it } from "vitest";
import { registerCommands } from "../src/cli/commands.ts";
import { registerProcesses } from "../src/cli/process.ts";
import { blocksOf, inlineCodeOf, pages } from "./support/pages.ts";
import { clone } from "./support/stack.ts";

/** What can be told of the pages' commands without running them; test/e2e/documented-commands.test.ts runs them. */

it.each(pages)("%s says of each block what it is, and has commands in blocks `sh` only", (page) => {
  for (const { language, label, line, text } of blocksOf(page)) {
    const at = `${page}:${line} \`\`\`${language} ${label}`;
    expect(["sh", "console", "text", "mermaid", "yaml", "json", "js"], at).toContain(language);
    if (language !== "sh") expect(text, at).not.toMatch(/^\s*(\$ )?(npx|npm|\S*automation|kcat|curl|openssl) /m);
  }
});

it.each(pages)("%s names only commands that there are, in a way that runs in the clone", (page) => {
  const lines = blocksOf(page).flatMap(({ language, text }) => (language === "sh" ? text.split("\n") : []));
  const named = inlineCodeOf(page).filter((code) => /^(npx |\.\/)?automation( |$)/.test(code));
  for (const code of named)
    expect(code, "automation alone is in nobody's path").toMatch(/^(npx automation |automation$)/);
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

const program = new Command("automation");
registerCommands(program);
registerProcesses(program);

/** @returns the first word that the program would refuse as a command or an option */
function faultOf(words: readonly string[]): string | undefined {
  let command = program;
  for (const word of words) {
    const below = command.commands.find((each) => each.name() === word);
    if (below !== undefined) command = below;
    else if (command.commands.length > 0) return word;
    else if (/^--?[a-z]/.test(word) && !command.options.some(({ short, long }) => [short, long].includes(word)))
      return word;
  }
  return command.commands.length > 0 ? "a command is missing" : undefined;
}
