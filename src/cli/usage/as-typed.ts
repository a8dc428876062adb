import { resolve } from "node:path";
import type { Command } from "commander";
import { defineVerbs } from "../commands.ts";
import { commandLine } from "./command-line.ts";

const named = /`automation ([^`]+)`/g;

/** Defines what `asTyped` has to know of the commands that a text names. */
export async function defineNamed(text: string, at: Command): Promise<void> {
  const verbs = [...text.matchAll(named)].map(([, said = ""]) => said.split(" ")[0] ?? "");
  if (verbs.length > 0) await defineVerbs(rootOf(at), verbs);
}

/**
 * Makes commands in a text run as printed; they have been defined by `defineNamed`. Wherever they are written, texts name them as `automation up`, between backticks; here each is called as from this folder, with tenant, org and state of the command at hand.
 * @param at - the command whose text it is; the program itself when none was reached
 */
export function asTyped(text: string, at: Command): string {
  return text.replaceAll(named, (whole, said: string) => {
    const words = said.split(" ");
    const { command, isWhole } = commandOf(rootOf(at), words);
    if (!isWhole) return whole;
    const takes = (option: string) => command.options.some(({ long }) => long === option) && !words.includes(option);
    const { tenant, org, state }: { tenant?: string; org?: string; state?: string } = at.opts();
    const scope = takes("--tenant") && tenant !== undefined && org !== undefined ? { tenant, org } : undefined;
    const dir = takes("--state") && state !== undefined ? resolve(state) : undefined;
    return `\`${commandLine(words, scope, dir)}\``;
  });
}

/** @returns the command that words begin with, and whether they name one that can be done */
export function commandOf(root: Command, words: readonly string[]): { command: Command; isWhole: boolean } {
  let command = root;
  for (const word of words) {
    const below = command.commands.find((each) => each.name() === word);
    if (below === undefined) break;
    command = below;
  }
  return { command, isWhole: command.commands.length === 0 };
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}
