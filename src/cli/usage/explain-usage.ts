import type { Argument, Command, CommanderError, Option } from "commander";
import type { Detail } from "../cli-error.ts";
import { CliError } from "../cli-error.ts";

const examples = new WeakMap<Command, string>();

/** Adds an example to help, reference and errors of a command. @param words - what follows its name */
export function withExample(command: Command, words: string): Command {
  const line = `${pathOf(command)} ${words}`.trimEnd();
  examples.set(command, line);
  return command.addHelpText("after", `\nExample:\n  ${line}`);
}

/** @returns a command's name with its parents */
function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

const checks = new WeakMap<Command, () => readonly Detail[]>();

/** Adds a check of options against each other; its faults are reported together with missing options. */
export function withCheck<T extends object>(command: Command, check: (options: T) => readonly Detail[]): Command {
  checks.set(command, () => check(command.opts<T>()));
  return command;
}

/** Required options. */
const required = new WeakMap<Command, readonly { readonly option: Option; readonly detail: Detail }[]>();

/** Makes every command throw a CliError that names all missing options and arguments at once. */
export function explainUsage(command: Command): void {
  required.set(command, command.options.filter((option) => option.mandatory).map(askedForTogether));
  command.exitOverride((error) => {
    throw usageError(command, error);
  });
  command.hook("preAction", (_, action) => {
    if (action !== command) return;
    const missing = missingOf(command);
    const misused = checks.get(command)?.() ?? [];
    if (misused.length > 0) throw misusedError(command, [...missing, ...misused]);
    if (missing.length > 0) throw missingError(command, missing);
  });
  for (const below of command.commands) {
    below.copyInheritedSettings(command);
    explainUsage(below);
  }
}

function usageError(command: Command, error: CommanderError): CliError | CommanderError {
  if (error.exitCode === 0 || error.code === "commander.help") return error; // help was shown
  if (error.code === "commander.missingArgument") return missingError(command, missingOf(command));
  const [fault = "", ...more] = error.message.replace(/^error: /, "").split("\n");
  const hint = more.join(" ").replaceAll(/^\(|\)$/g, "");
  const help = `\`${pathOf(command)} --help\` shows what can be given`;
  const remedy = hint === "" ? help : `${hint.replace(/^Did/, "did")} ${help}`;
  return new CliError(2, fault.replace(/\.$/, ""), { code: "usage", remedy });
}

/** Removes a required option from commander's own check, which reports only the first. */
function askedForTogether(option: Option) {
  const { long, description, envVar } = option;
  option.mandatory = false;
  option.description = `${description} (required)`;
  const remedy = envVar === undefined ? undefined : `or set ${envVar}`;
  return { option, detail: { field: long ?? option.flags, rule: description, remedy } };
}

function missingOf(command: Command): Detail[] {
  const isGiven = (option: Option) => ![undefined, ""].includes(command.getOptionValue(option.attributeName()));
  return [
    ...command.registeredArguments
      .filter((argument, index) => argument.required && command.args[index] === undefined)
      .map((argument: Argument) => ({ field: `<${argument.name()}>`, rule: argument.description })),
    ...(required.get(command) ?? []).filter(({ option }) => !isGiven(option)).map(({ detail }) => detail),
  ];
}

/** @returns `--run, --tenant and --org are required; for example …`, and what each is for */
function missingError(command: Command, missing: readonly Detail[]): CliError {
  const names = missing.map(({ field }) => field ?? "");
  const last = names.length > 1 ? ` and ${names.at(-1)}` : "";
  const listed = `${(last === "" ? names : names.slice(0, -1)).join(", ")}${last}`;
  const fault = `${listed} ${names.length > 1 ? "are" : "is"} required`;
  return new CliError(2, fault, { code: "usage", remedy: exampleText(command), details: missing });
}

function misusedError(command: Command, details: readonly Detail[]): CliError {
  const fault = `\`${pathOf(command)}\` can't be done as it is asked for`;
  return new CliError(2, fault, { code: "usage", remedy: exampleText(command), details });
}

function exampleText(command: Command): string {
  const example = examples.get(command);
  return example === undefined ? `\`${pathOf(command)} --help\` says more` : `for example \`${example}\``;
}
