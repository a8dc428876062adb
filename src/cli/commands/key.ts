import type { Command } from "commander";
import { SigningKeySchema } from "../../gen/governance/v1/governance_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { printList, shortName, shortTime } from "../show/output.ts";

/** `automation key`: what signatures are checked with. */
export function define(key: Command): void {
  withScope(
    key.command("list").description("list keys with their purpose and validity; --json has the keys themselves"),
  ).action((options: ScopeOptions) =>
    withApi(options, "viewer", async (api, { json }) => {
      const { keys } = await api.governance.listSigningKeys({});
      printList(json, SigningKeySchema, { items: keys, hasMore: false }, [
        { title: "KEY", of: ({ keyId }) => keyId },
        { title: "PURPOSE", of: ({ purpose }) => shortName(purpose, "KEY_PURPOSE_").toLowerCase() },
        { title: "FROM", of: ({ notBefore }) => shortTime(notBefore) },
        { title: "UNTIL", of: ({ notAfter }) => shortTime(notAfter) ?? "open" },
      ]);
    }),
  );
}
