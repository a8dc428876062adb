import type { Command } from "commander";
import { loadLocalPart } from "../local-part.ts";

/** `automation demo`: the whole way of one request, on the running stack. */
export function define(command: Command): void {
  command
    .option(
      "--failing",
      "use a persona that changes the test instead of the code: the run ends FAILED and names the broken rule",
    )
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON, one object a line")
    .action(async (options: { failing?: boolean; state?: string; json?: boolean }) => {
      const { demo } = await loadLocalPart(() => import("../../../local/demo/demo.ts"));
      await demo(options);
    });
}
