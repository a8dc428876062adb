import type { RepositoryJson, WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { StoredPersona } from "../personas/persona-store.ts";
import { readPersonas } from "../personas/persona-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { readRevisions } from "./declaration-revision-store.ts";
import type { StoredDefinition, StoredVersion } from "./definition-store.ts";
import { defaultChannel, readDefinitions, readVersions } from "./definition-store.ts";
import type { StoredProfile } from "./profile-store.ts";
import { readProfiles } from "./profile-store.ts";
import { readRepositories } from "./repository-store.ts";
import { readRules } from "./rule-store.ts";

/** Names a version directly or by a channel. */
export interface DefinitionSelector {
  readonly id: string;
  readonly version?: string;
  readonly channel?: string;
}

/** All that one tenant declares, at one revision. */
export interface Declarations {
  /** In the order in which they are asked. */
  readonly rules: readonly WorkflowRuleJson[];
  /** The version, or the newest when none is named. */
  profile(id: string, version?: string): StoredProfile | undefined;
  hasDefinition(id: string): boolean;
  version(selector: DefinitionSelector): StoredVersion | undefined;
  repository(id: string): RepositoryJson | undefined;
  /** The version, or the newest when none is named. */
  persona(id: string, version?: string): StoredPersona | undefined;
}

/** Gives the declarations of several tenants as of now. */
export type ReadDeclarations = (
  transaction: Transaction,
  tenants: readonly string[],
) => Promise<ReadonlyMap<string, Declarations>>;

/** Keeps what it read until the tenant's revision moves: one small query per batch, and never a stale answer. At most 1,000 tenants are kept. */
export function createReadDeclarations(): ReadDeclarations {
  const kept = new Map<string, { readonly revision: number; readonly declarations: Declarations }>();
  return async (transaction, tenants) => {
    const revisions = await readRevisions(transaction, tenants);
    const read = await Promise.all(
      tenants.map(async (tenant): Promise<[string, Declarations]> => {
        const revision = revisions.get(tenant) ?? 0;
        const known = kept.get(tenant);
        if (known?.revision === revision) return [tenant, known.declarations];
        const declarations = revision === 0 ? nothing : await readDeclarations(transaction, tenant);
        kept.delete(tenant);
        kept.set(tenant, { revision, declarations });
        for (const oldest of [...kept.keys()].slice(0, Math.max(0, kept.size - 1_000))) kept.delete(oldest);
        return [tenant, declarations];
      }),
    );
    return new Map(read);
  };
}

async function readDeclarations(transaction: Transaction, tenant: string): Promise<Declarations> {
  const [rules, profiles, definitions, versions, repositories, personas] = await Promise.all([
    readRules(transaction, tenant),
    readProfiles(transaction, tenant),
    readDefinitions(transaction, tenant),
    readVersions(transaction, tenant),
    readRepositories(transaction, tenant),
    readPersonas(transaction, tenant),
  ]);
  return index({ rules, profiles, definitions, versions, repositories, personas });
}

function index(declared: {
  readonly rules: readonly WorkflowRuleJson[];
  /** Newest first. */
  readonly profiles: readonly StoredProfile[];
  readonly definitions: readonly StoredDefinition[];
  readonly versions: readonly StoredVersion[];
  readonly repositories: readonly RepositoryJson[];
  /** Newest first. */
  readonly personas: readonly StoredPersona[];
}): Declarations {
  const { rules, profiles, definitions, versions, repositories, personas } = declared;
  const byProfile = Map.groupBy(profiles, (profile) => profile.id);
  const byDefinition = new Map(definitions.map((definition) => [definition.id, definition]));
  const byVersion = new Map(versions.map((version) => [`${version.definitionId} ${version.version}`, version]));
  const byRepository = new Map(repositories.map((repository) => [repository.id, repository]));
  const byPersona = Map.groupBy(personas, (persona) => persona.id);
  return {
    rules,
    profile: (id, version) => byProfile.get(id)?.find((profile) => !version || profile.version === version),
    hasDefinition: (id) => byDefinition.has(id),
    version({ id, version, channel }) {
      const wanted = version ?? byDefinition.get(id)?.channels[channel ?? defaultChannel];
      return wanted === undefined ? undefined : byVersion.get(`${id} ${wanted}`);
    },
    repository: (id) => byRepository.get(id),
    persona: (id, version) => byPersona.get(id)?.find((persona) => !version || persona.version === version),
  };
}

const nothing = index({ rules: [], profiles: [], definitions: [], versions: [], repositories: [], personas: [] });
