import type { Command } from "commander";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import type { Applied, Outcome } from "../read/declarations.ts";
import { applyDeclarations, readDeclarations } from "../read/declarations.ts";
import { plain } from "../show/output.ts";
import { jsonText, print, tint } from "../show/terminal.ts";
import { withExample } from "../usage/explain-usage.ts";
import { collect } from "../usage/options.ts";

const colours: Partial<Record<Outcome, "green" | "red">> = { created: "green", replaced: "green", conflict: "red" };

/** `automation apply`: declares what YAML files say. */
export function registerApply(program: Command): void {
  const command = program
    .command("apply")
    .description("declare definitions, profiles and rules; all documents are checked before the first is sent")
    .requiredOption(
      "-f, --file <path>",
      "YAML file, folder of them, or - for standard input; may be repeated; documents have kind and spec",
      collect,
    );
  withExample(withScope(command), "-f examples/demo/declarations --tenant acme --org retail").action(
    async (options: ScopeOptions & { file: string[] }) => {
      const declarations = readDeclarations(...options.file);
      const conflicts = await withApi(options, "admin", async (api, { json }) => {
        let conflicts = 0;
        for await (const applied of applyDeclarations(api, declarations)) {
          if (applied.outcome === "conflict") conflicts += 1;
          print(json ? jsonText(applied) : appliedLine(applied));
        }
        return conflicts;
      });
      if (conflicts === 0) return;
      throw new CliError(
        1,
        `${conflicts} of ${declarations.length} conflict with what is declared; give them a new version`,
      );
    },
  );
}

/** @returns `created    MethodologyProfile scrum-team@1` */
export function appliedLine({ kind, name, outcome, reason }: Applied): string {
  const colour = colours[outcome];
  const padded = outcome.padEnd(9);
  const why = reason === undefined ? "" : `: ${reason}`;
  return `${colour === undefined ? padded : tint(colour, padded)}  ${plain(`${kind} ${name}${why}`)}`;
}
