import type { Command, Option } from "commander";
import { Argument } from "commander";
import { print } from "../show/terminal.ts";
import { quote } from "../usage/command-line.ts";
import { withExample } from "../usage/explain-usage.ts";
import { defineVerbs } from "../usage/listed-verbs.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/** `automation completion`: a script that completes verbs, options and their fixed values. It calls no program at a TAB. */
export function define(command: Command): void {
  command.addArgument(new Argument("<shell>", "of the shell").choices(shells));
  withExample(command, "bash").action(async (shell: Shell) => {
    const program = command.parent ?? command;
    await defineVerbs(
      program,
      program.commands.map((verb) => verb.name()),
    );
    print(completionScript(program, shell));
  });
}

/** What can follow some words. */
interface Place {
  /** Words after the program's name, for example `run list`. */
  readonly path: string;
  readonly verbs: readonly Command[];
  readonly options: readonly Option[];
  /** Fixed values of the first argument. */
  readonly values: readonly string[];
}

/** @returns the script for a shell, from the commands as they are defined */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, []);
  if (shell === "fish") return fishScript(places);
  const asBash = shell === "zsh" ? "autoload -U +X compinit bashcompinit && compinit -u && bashcompinit\n" : "";
  return `${asBash}${bashScript(places)}`;
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const place = {
    path: path.join(" "),
    verbs: command.commands,
    options: command.options,
    values: command.registeredArguments[0]?.argChoices ?? [],
  };
  return [place, ...command.commands.flatMap((below) => placesOf(below, [...path, below.name()]))];
}

const isPath = ({ flags }: Option) => /<(path|file|dir|folder)>/.test(flags);
const flagsOf = ({ short, long }: Option) => [short, long].filter((flag) => flag !== undefined);

function bashScript(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path !== "").map(({ path }) => quote(path));
  const outcomes = new Map<string, string[]>();
  for (const { path, options } of places) {
    for (const option of options.filter(({ required, optional }) => required || optional)) {
      const fixed = option.argChoices === undefined ? ":" : `words=${quote(option.argChoices.join(" "))}`;
      const outcome = isPath(option) ? "files=1" : fixed;
      const patterns = flagsOf(option).map((flag) => quote(`${path} ${flag}`));
      outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), ...patterns]);
    }
  }
  const values = [...outcomes].map(([outcome, patterns]) => `    ${patterns.join("|")}) ${outcome} ;;`);
  const words = places.map(({ path, verbs, options, values: fixed }) => {
    const all = [...verbs.map((verb) => verb.name()), ...fixed, ...options.flatMap(flagsOf), "--help"];
    return `      ${quote(path)}) words=${quote(all.join(" "))} ;;`;
  });
  return `_automation() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" words="" files="" i next
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${known.join("|")}) path="$next" ;;
    esac
  done
  case "$path $prev" in
${values.join("\n")}
    *) case "$path" in
${words.join("\n")}
    esac
    case "$cur" in -*) ;; *) files=1 ;; esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [ -n "$files" ] && [ \${#COMPREPLY[@]} -eq 0 ]; then
    local IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$cur"))
    type compopt > /dev/null 2>&1 && compopt -o filenames 2> /dev/null
  fi
  return 0
}
complete -F _automation automation
_automation_npx() {
  [ "\${COMP_WORDS[1]}" = automation ] && [ "$COMP_CWORD" -gt 1 ] || return 0
  COMP_WORDS=("\${COMP_WORDS[@]:1}")
  COMP_CWORD=$((COMP_CWORD - 1))
  _automation
}
complete -o default -F _automation_npx npx`;
}

function fishScript(places: readonly Place[]): string {
  const known = places
    .filter(({ path }) => path !== "")
    .map(({ path }) => quote(path))
    .join(" ");
  const lines = places.flatMap(({ path, verbs, options, values }) => {
    const when = `complete -c automation -n ${quote(`__automation_at ${quote(path)}`)}`;
    return [
      ...verbs.map((verb) => `${when} -f -a ${verb.name()} -d ${quote(verb.description())}`),
      ...(values.length === 0 ? [] : [`${when} -f -a ${quote(values.join(" "))}`]),
      ...options.map((option) => {
        const { short, long, argChoices, required, description } = option;
        const names = [short && `-s ${short.slice(1)}`, long && `-l ${long.slice(2)}`].filter(Boolean).join(" ");
        const given =
          argChoices === undefined ? (isPath(option) ? "-r -F" : "-x") : `-x -a ${quote(argChoices.join(" "))}`;
        return `${when} ${names}${required ? ` ${given}` : ""} -d ${quote(description)}`;
      }),
    ];
  });
  return `function __automation_at
  set -l path
  for word in (commandline -opc)[2..]
    set -l next (string join -- ' ' $path $word)
    contains -- $next ${known}; and set path $next
  end
  test "$path" = "$argv[1]"
end
${lines.join("\n")}`;
}
