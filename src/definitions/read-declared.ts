import type { GetProfileResponseJson, ListProfilesResponseJson } from "../gen/governance/v1/profile_service_pb.ts";
import type {
  GetWorkflowVersionResponseJson,
  ListRepositoriesResponseJson,
  ListWorkflowDefinitionsResponseJson,
  ListWorkflowRulesResponseJson,
} from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { InTenant } from "../tenancy/transaction.ts";
import type { DefinitionSelector } from "./declarations.ts";
import { findVersion, readDefinitions } from "./definition-store.ts";
import { findProfile, readProfiles } from "./profile-store.ts";
import { readRepositories } from "./repository-store.ts";
import { readRules } from "./rule-store.ts";

/** The tenant has published no such definition, or not that version or channel of it. */
export class UnknownDefinitionError extends Error {
  override readonly name = "UnknownDefinitionError";
  readonly code = "unknown_definition";
  constructor({ id, version, channel = "stable" }: DefinitionSelector) {
    const which = version === undefined ? `channel "${channel}"` : `version "${version}"`;
    super(
      `definition "${id}" with ${which} is not known to this tenant; publish it with \`automation apply -f definition.yaml\``,
    );
  }
}

/** The tenant has published no such profile, or not that version of it. */
export class UnknownProfileError extends Error {
  override readonly name = "UnknownProfileError";
  readonly code = "unknown_profile";
  constructor(id: string, version: string) {
    const which = version === "" ? "" : ` version "${version}"`;
    super(`profile "${id}"${which} is not known to this tenant; publish it with \`automation apply -f profile.yaml\``);
  }
}

/** Reads what a tenant declares. */
export interface ReadDeclared {
  /** By version, or by channel (`stable` when neither is named). @throws UnknownDefinitionError */
  version(tenant: string, selector: DefinitionSelector): Promise<GetWorkflowVersionResponseJson>;
  definitions(tenant: string): Promise<ListWorkflowDefinitionsResponseJson>;
  /** In the order in which they are asked. */
  rules(tenant: string): Promise<ListWorkflowRulesResponseJson>;
  /** By id. */
  repositories(tenant: string): Promise<ListRepositoriesResponseJson>;
  /** An empty version is the newest. @throws UnknownProfileError */
  profile(tenant: string, id: string, version: string): Promise<GetProfileResponseJson>;
  /** The newest version of each. */
  profiles(tenant: string): Promise<ListProfilesResponseJson>;
}

export function createReadDeclared({ inTenant }: { readonly inTenant: InTenant }): ReadDeclared {
  return {
    async version(tenant, selector) {
      const found = await inTenant(tenant, (transaction) => findVersion(transaction, tenant, selector));
      if (found === undefined) throw new UnknownDefinitionError(selector);
      return found;
    },
    async definitions(tenant) {
      const found = await inTenant(tenant, (transaction) => readDefinitions(transaction, tenant));
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
    async rules(tenant) {
      return { rules: await inTenant(tenant, (transaction) => readRules(transaction, tenant)) };
    },
    async repositories(tenant) {
      return { repositories: await inTenant(tenant, (transaction) => readRepositories(transaction, tenant)) };
    },
    async profile(tenant, id, version) {
      const found = await inTenant(tenant, (transaction) => findProfile(transaction, tenant, id, version));
      if (found === undefined) throw new UnknownProfileError(id, version);
      return { profile: found.profile, digest: found.digest };
    },
    async profiles(tenant) {
      const found = await inTenant(tenant, (transaction) => readProfiles(transaction, tenant));
      const newest = Map.groupBy(found, (each) => each.id)
        .values()
        .flatMap(([first]) => (first === undefined ? [] : [first.profile]));
      return { profiles: [...newest] };
    },
  };
}
