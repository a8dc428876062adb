import type { Command } from "commander";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import { appliedLine, applyDeclarations, readDeclarations } from "../read/declarations.ts";
import { jsonText, print } from "../show/terminal.ts";
import { withExample } from "../usage/explain-usage.ts";
import { collect } from "../usage/options.ts";

/** `automation apply`: declares what YAML files say. */
export function define(command: Command): void {
  command.requiredOption(
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
