import type { Command } from "commander";
import { Argument } from "commander";
import { addressesOf, shownAddresses } from "../../../local/up/addresses.ts";
import { requireRunningStack } from "../../../local/up/running-stack.ts";
import { CliError } from "../cli-error.ts";
import { factLines } from "../show/output.ts";
import { jsonText, print } from "../show/terminal.ts";

/** `automation url`: where the parts of the local stack are reached, whatever ports it found free. */
export function registerUrl(program: Command): void {
  program
    .command("url")
    .description("print the address of a part of the local stack, such as api or kafka; without a name, all of them")
    .addArgument(new Argument("[name]", "the part; of postgres its password is printed too").default(undefined, "all"))
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .action((name: string | undefined, { state, json }: { state?: string; json?: boolean }) => {
      const addresses = addressesOf(requireRunningStack(process.cwd(), state));
      if (name === undefined) {
        const all = shownAddresses(addresses);
        if (json) print(jsonText(all));
        else for (const line of factLines(Object.entries(all))) print(line);
        return;
      }
      const address = Object.hasOwn(addresses, name) ? addresses[name] : undefined;
      if (address === undefined) throw unknownName(name, Object.keys(addresses));
      print(json ? jsonText({ [name]: address }) : address);
    });
}

function unknownName(name: string, known: readonly string[]): CliError {
  const why = name === "scrum" ? "; the Scrum service is there after `automation up --demo`" : "";
  const fault = `${JSON.stringify(name)} is no part of this stack`;
  return new CliError(2, fault, { code: "usage", remedy: `name one of ${known.join(", ")}${why}` });
}
