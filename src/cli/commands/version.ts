import type { Command } from "commander";
import { programVersion } from "../clone.ts";
import { jsonText, print } from "../show/terminal.ts";

const line = () => `automation ${programVersion()}, Node ${process.versions.node}`;

/** `automation version` and `--version`: of this program and its Node; `status` shows those of the engines that run. */
export function registerVersion(program: Command): void {
  program
    .version(line(), "--version", "show the version of this program and its Node")
    .command("version")
    .description("show the version of this program and its Node; the verb status shows those of the engines")
    .option("--json", "print JSON")
    .action(({ json }: { json?: boolean }) =>
      print(json ? jsonText({ automation: programVersion(), node: process.versions.node }) : line()),
    );
}
