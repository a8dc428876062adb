import type { Command } from "commander";
import { Option } from "commander";
import type { Role } from "../ask/scope.ts";
import { noTenant, tenantFor, withTenant } from "../ask/scope.ts";
import { loadLocalPart } from "../local-part.ts";
import { jsonText, print } from "../show/terminal.ts";

/** `automation token`: a bearer token from the issuer of the local stack. */
export function define(command: Command): void {
  command
    .addOption(
      new Option("--role <role>", "role of the token; `platform` is for no tenant and needs none")
        .choices(["viewer", "operator", "admin", "worker", "platform"])
        .makeOptionMandatory(),
    )
    .requiredOption("--subject <subject>", "subject of the token")
    .option("--state <dir>", "folder of the local stack; else .automation upwards from here, else the clone's")
    .option("--json", "print JSON");
  command.on("option:role", (role) => {
    if (role === "platform") command.setOptionValue("tenant", noTenant.tenant).setOptionValue("org", noTenant.org);
  });
  withTenant(command).action(
    async (options: { tenant?: string; org?: string; role: Role; subject: string; state?: string; json?: boolean }) => {
      const { tenant, org } = tenantFor(options.role, options);
      const { requireRunningStack } = await loadLocalPart(() => import("../../../local/up/running-stack.ts"));
      const { mintToken } = await import("../../../local/issuer/mint-token.ts");
      const state = requireRunningStack(process.cwd(), options.state);
      const token = await mintToken(state, { tenant, org, role: options.role, subject: options.subject });
      print(options.json ? jsonText({ token }) : token);
    },
  );
}
