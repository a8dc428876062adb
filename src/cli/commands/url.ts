import type { Command } from "commander";
import { Argument } from "commander";
import { loadLocalPart } from "../local-part.ts";

/** `automation url`: where the parts of the local stack are reached, whatever ports it found free. */
export function define(command: Command): void {
  command
    .addArgument(
      new Argument("[name]", "the part; the address of postgres contains its password").default(undefined, "all"),
    )
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .action(async (name: string | undefined, options: { state?: string; json?: boolean }) => {
      const { printAddress } = await loadLocalPart(() => import("../../../local/up/addresses.ts"));
      printAddress(name, options);
    });
}
