import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Option } from "commander";
import { Command } from "commander";
import { expect, it } from "vitest";
import { cloneDir } from "./clone.ts";
import { registerCommands } from "./commands.ts";
import { explainUsage } from "./usage/explain-usage.ts";

const page = join(cloneDir, "docs", "cli.md");
const marker = "-u src/cli/reference.test.ts`. -->\n";
/** They are the same everywhere, and told above. */
const told = new Set(["--tenant", "--org", "--token", "--api-url", "--state", "--json", "--version"]);

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function optionRow({ flags, description, argChoices, defaultValue }: Option): string {
  const choices = argChoices === undefined ? "" : `: ${argChoices.join(", ")}`;
  const otherwise = defaultValue === undefined ? "" : `; default: ${String(defaultValue)}`;
  return `| \`${flags}\` | ${cell(`${description}${choices}${otherwise}`)} |`;
}

function reference(command: Command, path: string): string[] {
  const below = command.commands.flatMap((verb) => reference(verb, `${path} ${verb.name()}`));
  if (below.length > 0 && (command.parent === null || command.options.length === 0)) return below;
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
    return argument.required ? ` <${name}>` : ` [${name}]`;
  });
  const options = command.options.filter(({ long }) => !told.has(long ?? ""));
  return [
    `### \`${path}${words.join("")}\`\n\n${cell(command.description())}\n`,
    ...(options.length === 0 ? [] : [`| Option | What |\n| --- | --- |\n${options.map(optionRow).join("\n")}\n`]),
    ...below,
  ];
}

it("docs/cli.md tells every command and option as it is defined", async () => {
  const program = new Command("automation");
  await registerCommands(program);
  explainUsage(program);
  const [before = ""] = readFileSync(page, "utf8").split(marker);
  await expect(`${before}${marker}\n${reference(program, "npx automation").join("\n")}`).toMatchFileSnapshot(page);
});
