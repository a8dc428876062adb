import type { Command } from "commander";
import { Option } from "commander";
import type { UpOptions } from "../../../local/up/up.ts";
import type { Detail } from "../cli-error.ts";
import { loadLocalPart } from "../local-part.ts";
import { withCheck } from "../usage/explain-usage.ts";

/** `automation up`: the whole stack on this machine, until Ctrl-C. */
export function define(command: Command): void {
  command
    .option("--demo", "also run the example Scrum service, and let it request a run")
    .addOption(
      new Option("--bus <name>", "bus that requests are taken from and run events are published to")
        .choices(["kafka", "nats"])
        .default("kafka"),
    )
    .option("--once", "stop when the demo run has ended, exit 0 when it COMPLETED; without --demo: stop when ready")
    .option("--fresh", "start with empty data; ports, and the keys of evidence and tokens, are kept")
    .option(
      "--new-keys",
      "with --fresh: also make new keys; earlier tokens and evidence are then not valid for this stack",
    )
    .option("--state <dir>", "folder of the stack; default: .automation in the clone")
    .option("--json", "print JSON, one object a line");
  withCheck(command, upFaults).action(async (options: UpOptions) => {
    const { up } = await loadLocalPart(() => import("../../../local/up/up.ts"));
    await up(options);
  });
}

/** Signed data must not outlive its keys. */
function upFaults({ fresh, newKeys }: UpOptions): Detail[] {
  if (!newKeys || fresh) return [];
  return [{ field: "--new-keys", rule: "needs --fresh", remedy: "give both, or neither" }];
}
