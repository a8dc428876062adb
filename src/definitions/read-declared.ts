import type { GetProfileResponseJson, ListProfilesResponseJson } from "../gen/governance/v1/profile_service_pb.ts";
import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type {
  GetWorkflowVersionResponseJson,
  ListRepositoriesResponseJson,
  ListWorkflowDefinitionsResponseJson,
  ListWorkflowRulesResponseJson,
} from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import { decodeNamesToken, encodeNamesToken, InvalidPageTokenError, pageSizeOf } from "../tenancy/page-token.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import { storable } from "../text/strangers-text.ts";
import type { DefinitionSelector } from "./declarations.ts";
import { findVersion, readDefinitions } from "./definition-store.ts";
import { findProfile, readNewestProfiles } from "./profile-store.ts";
import { readRepositories } from "./repository-store.ts";
import { readRules } from "./rule-store.ts";

/** The tenant has published no such definition, or not that version or channel of it. */
export class UnknownDefinitionError extends UnknownIdError {
  override readonly name = "UnknownDefinitionError";
  readonly code = "unknown_definition";
  constructor({ id, version, channel = "stable" }: DefinitionSelector) {
    super("definition", version === undefined ? `${id}@${channel}` : `${id}@${version}`, {
      rule: "the id of a definition of this tenant, and a version or channel of it",
      remedy: "`automation definition list` shows them",
    });
  }
}

/** The tenant has published no such profile, or not that version of it. */
export class UnknownProfileError extends UnknownIdError {
  override readonly name = "UnknownProfileError";
  readonly code = "unknown_profile";
  constructor(id: string, version: string) {
    super("profile", version === "" ? id : `${id}@${version}`, {
      rule: "the id of a profile of this tenant, and a version of it",
      remedy: "`automation profile list` shows them",
    });
  }
}

/** Postgres can't store text with NUL, so nothing has such a name. */
const canBeNames = (...names: readonly string[]): boolean => names.every((name) => storable(name) === name);

/** Reads what a tenant declares. */
export interface ReadDeclared {
  /** By version, or by channel (`stable` when neither is named). @throws UnknownDefinitionError */
  version(scope: Scope, selector: DefinitionSelector): Promise<GetWorkflowVersionResponseJson>;
  /** By id. @throws InvalidPageTokenError, as every list */
  definitions(scope: Scope, page?: Page): Promise<ListWorkflowDefinitionsResponseJson>;
  /** In the order in which they are tried. */
  rules(scope: Scope, page?: Page): Promise<ListWorkflowRulesResponseJson>;
  /** By id. */
  repositories(scope: Scope, page?: Page): Promise<ListRepositoriesResponseJson>;
  /** An empty version is the newest. @throws UnknownProfileError */
  profile(scope: Scope, id: string, version: string): Promise<GetProfileResponseJson>;
  /** The newest version of each, by id. */
  profiles(scope: Scope, page?: Page): Promise<ListProfilesResponseJson>;
}

/** Which part of a list is wanted. */
export interface Page {
  readonly pageSize: number;
  readonly pageToken: string;
}

const firstPage: Page = { pageSize: 0, pageToken: "" };

export function createReadDeclared({ inScope }: { readonly inScope: InScope }): ReadDeclared {
  return {
    async version(scope, selector) {
      const { id, version = "", channel = "" } = selector;
      const found = canBeNames(id, version, channel)
        ? await inScope(scope, (transaction) => findVersion(transaction, scope.tenant, selector))
        : undefined;
      if (found === undefined) throw new UnknownDefinitionError(selector);
      return found;
    },
    async definitions(scope, page = firstPage) {
      const [after] = decodeNamesToken(page.pageToken, 1) ?? [];
      const { rows, nextPageToken } = await pageOf(page, namesOfId, (limit) =>
        inScope(scope, (transaction) => readDefinitions(transaction, scope.tenant, after, limit)),
      );
      const channelsOf = (channels: Readonly<Record<string, string>>) =>
        Object.entries(channels).map(([channel, version]) => ({ channel, version }));
      return {
        nextPageToken,
        definitions: rows.map(({ id, title, channels, versions }) => ({
          id,
          title,
          channels: channelsOf(channels),
          versions: [...versions],
        })),
      };
    },
    async rules(scope, page = firstPage) {
      const [priority, id = ""] = decodeNamesToken(page.pageToken, 2) ?? [];
      const after = priority === undefined ? undefined : { priority: Number(priority), id };
      if (Number.isNaN(after?.priority)) throw new InvalidPageTokenError();
      const namesOf = ({ priority = 0, id = "" }: WorkflowRuleJson) => [String(priority), id];
      const { rows, nextPageToken } = await pageOf(page, namesOf, (limit) =>
        inScope(scope, (transaction) => readRules(transaction, scope.tenant, after, limit)),
      );
      return { rules: rows, nextPageToken };
    },
    async repositories(scope, page = firstPage) {
      const [after] = decodeNamesToken(page.pageToken, 1) ?? [];
      const { rows, nextPageToken } = await pageOf(page, namesOfId, (limit) =>
        inScope(scope, (transaction) => readRepositories(transaction, scope.tenant, after, limit)),
      );
      return { repositories: rows, nextPageToken };
    },
    async profile(scope, id, version) {
      const found = canBeNames(id, version)
        ? await inScope(scope, (transaction) => findProfile(transaction, scope.tenant, id, version))
        : undefined;
      if (found === undefined) throw new UnknownProfileError(id, version);
      return { profile: found.profile, digest: found.digest };
    },
    async profiles(scope, page = firstPage) {
      const [after] = decodeNamesToken(page.pageToken, 1) ?? [];
      const { rows, nextPageToken } = await pageOf(page, namesOfId, (limit) =>
        inScope(scope, (transaction) => readNewestProfiles(transaction, scope.tenant, after, limit)),
      );
      return { profiles: rows, nextPageToken };
    },
  };
}

const namesOfId = ({ id = "" }: { readonly id?: string }) => [id];

/** @param namesOf - what the list is sorted by */
async function pageOf<T>(
  { pageSize }: Page,
  namesOf: (row: T) => string[],
  read: (limit: number) => Promise<T[]>,
): Promise<{ rows: T[]; nextPageToken: string }> {
  const size = pageSizeOf(pageSize);
  const found = await read(size + 1);
  const rows = found.slice(0, size);
  const last = rows.at(-1);
  return { rows, nextPageToken: found.length > size && last !== undefined ? encodeNamesToken(namesOf(last)) : "" };
}
