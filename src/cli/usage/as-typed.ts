import { resolve } from "node:path";
import type { Command } from "commander";
import { commandLine } from "./command-line.ts";
import { defineVerbs } from "./listed-verbs.ts";

const named = /`automation ([^`]+)`/g;

/** Defines the verbs that a text names, which `asTyped` needs. */
export async function defineNamed(text: string, at: Command): Promise<void> {
  const verbs = [...text.matchAll(named)].map(([, said = ""]) => said.split(" ")[0] ?? "");
  if (verbs.length > 0) await defineVerbs(rootOf(at), verbs);
}

/**
 * Completes commands in a text so that they run as printed. Texts name commands as `automation up`, in backticks; this adds the way to call the program from this folder, and tenant, org and state of the current command. Call `defineNamed` first.
 * @param at - the current command; the program when there is none
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

/** @returns the command that the words name, and whether it does something by itself: one without sub-verbs, or with options beside them */
export function commandOf(root: Command, words: readonly string[]): { command: Command; isWhole: boolean } {
  let command = root;
  for (const word of words) {
    const below = command.commands.find((each) => each.name() === word);
    if (below === undefined) break;
    command = below;
  }
  return { command, isWhole: command.commands.length === 0 || (command !== root && command.options.length > 0) };
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent);
}
