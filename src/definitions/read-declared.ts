import type { GetProfileResponseJson, ListProfilesResponseJson } from "../gen/governance/v1/profile_service_pb.ts";
import type {
  GetWorkflowVersionResponseJson,
  ListRepositoriesResponseJson,
  ListWorkflowDefinitionsResponseJson,
  ListWorkflowRulesResponseJson,
} from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { shownText } from "../text/strangers-text.ts";
import type { DefinitionSelector } from "./declarations.ts";
import { findVersion, readDefinitions } from "./definition-store.ts";
import { findProfile, readNewestProfiles } from "./profile-store.ts";
import { readRepositories } from "./repository-store.ts";
import { readRules } from "./rule-store.ts";

/** The tenant has published no such definition, or not that version or channel of it. */
export class UnknownDefinitionError extends Error {
  override readonly name = "UnknownDefinitionError";
  readonly code = "unknown_definition";
  constructor({ id, version, channel = "stable" }: DefinitionSelector) {
    const which = version === undefined ? `channel "${shownText(channel, 80)}"` : `version "${shownText(version, 80)}"`;
    super(
      `definition "${shownText(id, 80)}" with ${which} is not known to this tenant; publish it with \`automation apply -f FILE\``,
    );
  }
}

/** The tenant has published no such profile, or not that version of it. */
export class UnknownProfileError extends Error {
  override readonly name = "UnknownProfileError";
  readonly code = "unknown_profile";
  constructor(id: string, version: string) {
    const which = version === "" ? "" : ` version "${shownText(version, 80)}"`;
    super(
      `profile "${shownText(id, 80)}"${which} is not known to this tenant; publish it with \`automation apply -f FILE\``,
    );
  }
}

/** Reads what a tenant declares. */
export interface ReadDeclared {
  /** By version, or by channel (`stable` when neither is named). @throws UnknownDefinitionError */
  version(scope: Scope, selector: DefinitionSelector): Promise<GetWorkflowVersionResponseJson>;
  definitions(scope: Scope): Promise<ListWorkflowDefinitionsResponseJson>;
  /** In the order in which they are asked. */
  rules(scope: Scope): Promise<ListWorkflowRulesResponseJson>;
  /** By id. */
  repositories(scope: Scope): Promise<ListRepositoriesResponseJson>;
  /** An empty version is the newest. @throws UnknownProfileError */
  profile(scope: Scope, id: string, version: string): Promise<GetProfileResponseJson>;
  /** The newest version of each. */
  profiles(scope: Scope): Promise<ListProfilesResponseJson>;
}

export function createReadDeclared({ inScope }: { readonly inScope: InScope }): ReadDeclared {
  return {
    async version(scope, selector) {
      const found = await inScope(scope, (transaction) => findVersion(transaction, scope.tenant, selector));
      if (found === undefined) throw new UnknownDefinitionError(selector);
      return found;
    },
    async definitions(scope) {
      const found = await inScope(scope, (transaction) => readDefinitions(transaction, scope.tenant));
      const channelsOf = (channels: Readonly<Record<string, string>>) =>
        Object.entries(channels).map(([channel, version]) => ({ channel, version }));
      return {
        definitions: found.map(({ id, title, channels, versions }) => ({
          id,
          title,
          channels: channelsOf(channels),
          versions: [...versions],
        })),
      };
    },
    async rules(scope) {
      return { rules: await inScope(scope, (transaction) => readRules(transaction, scope.tenant)) };
    },
    async repositories(scope) {
      return { repositories: await inScope(scope, (transaction) => readRepositories(transaction, scope.tenant)) };
    },
    async profile(scope, id, version) {
      const found = await inScope(scope, (transaction) => findProfile(transaction, scope.tenant, id, version));
      if (found === undefined) throw new UnknownProfileError(id, version);
      return { profile: found.profile, digest: found.digest };
    },
    async profiles(scope) {
      return { profiles: await inScope(scope, (transaction) => readNewestProfiles(transaction, scope.tenant)) };
    },
  };
}
