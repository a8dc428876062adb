import type { Command } from "commander";
import { programVersion } from "../../config/program-version.ts";
import { jsonText, print } from "../show/terminal.ts";

/** `automation version`, as `--version`: of this program and its Node; `status` shows those of the engines that run. */
export function define(command: Command): void {
  command
    .option("--json", "print JSON")
    .action(({ json }: { json?: boolean }) =>
      print(
        json
          ? jsonText({ automation: programVersion(), node: process.versions.node })
          : `automation ${programVersion()}, Node ${process.versions.node}`,
      ),
    );
}
