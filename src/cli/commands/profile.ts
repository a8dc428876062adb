import type { Command } from "commander";
import { Argument } from "commander";
import { ProfileSchema } from "../../gen/governance/v1/profile_pb.ts";
import { GetProfileResponseSchema } from "../../gen/governance/v1/profile_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { declarationText } from "../show/declaration-text.ts";
import { listUpTo, printList, printMessage } from "../show/output.ts";
import { print } from "../show/terminal.ts";
import { idAndVersion, limitOption } from "../usage/options.ts";

/** `automation profile`: what a methodology asks of a run. */
export function define(profile: Command): void {
  withScope(profile.command("list").description("list the newest version of each profile, by id"))
    .addOption(limitOption("by id"))
    .action((options: ScopeOptions & { limit: number }) =>
      withApi(options, "viewer", async (api, { json }) => {
        const listed = await listUpTo(options.limit, async (pageSize, pageToken) => {
          const page = await api.profiles.listProfiles({ pageSize, pageToken });
          return { items: page.profiles, nextPageToken: page.nextPageToken };
        });
        printList(json, ProfileSchema, listed, [
          { title: "PROFILE", of: ({ id }) => id },
          { title: "VERSION", of: ({ version }) => version },
          { title: "METHOD", of: ({ method }) => method },
          { title: "WORK KINDS", of: ({ bindings }) => bindings?.map(({ workKind }) => workKind).join(" ") },
          { title: "COMPLETION GATE", of: ({ completionGate }) => completionGate },
          {
            title: "REQUIREMENTS",
            of: ({ gates, completionGate }) => gates?.find(({ id }) => id === completionGate)?.requirements?.length,
          },
          { title: "RECEIVER", of: ({ handoff }) => handoff?.receiver },
        ]);
      }),
    );
  withScope(profile.command("get").description("show a version as `apply` takes it"))
    .addArgument(new Argument("<profile>", "its id for the newest version, or id@version"))
    .action((named: string, options: ScopeOptions) =>
      withApi(options, "viewer", async (api, { json }) => {
        const found = await api.profiles.getProfile(idAndVersion(named));
        if (json) return printMessage(GetProfileResponseSchema, found);
        if (found.profile !== undefined)
          print(declarationText("MethodologyProfile", ProfileSchema, found.profile, `sha256:${found.digest}`));
      }),
    );
}
