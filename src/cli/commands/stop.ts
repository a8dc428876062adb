import type { Command } from "commander";
import { loadLocalPart } from "../local-part.ts";

/** `automation stop`: Ctrl-C for a stack that runs in the background. */
export function define(command: Command): void {
  command
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON")
    .action(async (options: { state?: string; json?: boolean }) => {
      const { stop } = await loadLocalPart(() => import("../../../local/up/stop.ts"));
      await stop(options);
    });
}
