import type { Command } from "commander";
import { loadLocalPart } from "../local-part.ts";

/** `automation status`: what of the local stack runs. */
export function define(command: Command): void {
  command
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .action(async (options: { state?: string; json?: boolean }) => {
      const { status } = await loadLocalPart(() => import("../../../local/status/status.ts"));
      await status(options);
    });
}
