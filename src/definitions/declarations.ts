import { LRUCache } from "lru-cache";
import type { RepositoryJson } from "../gen/workflows_runtime/v1/repository_pb.ts";
import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { StoredPersona } from "../personas/persona-store.ts";
import { lookUpPersonas } from "../personas/persona-store.ts";
import type { FoundRow, LookUp, Transaction, Wanted } from "../tenancy/transaction.ts";
import { readRevisions } from "./declaration-revision-store.ts";
import type { StoredVersion } from "./definition-store.ts";
import { defaultChannel, lookUpChannels, lookUpVersions } from "./definition-store.ts";
import type { StoredProfile } from "./profile-store.ts";
import { lookUpProfiles } from "./profile-store.ts";
import { lookUpRepositories } from "./repository-store.ts";
import { lookUpRules, lookUpRuleVersions } from "./rule-store.ts";

/** Names a version directly or by a channel. */
export interface DefinitionSelector {
  readonly id: string;
  readonly version?: string;
  readonly channel?: string;
}

/** What a tenant declares, at one revision, as decisions read it. */
export interface Declarations {
  /** The rules of a profile, in the order in which they are tried. */
  rules(profileId: string): readonly WorkflowRuleJson[];
  /** A version of a rule, retired or not. */
  ruleVersion(id: string, version: number): WorkflowRuleJson | undefined;
  /** The version, or the newest when none is named. */
  profile(id: string, version?: string): StoredProfile | undefined;
  hasDefinition(id: string): boolean;
  version(selector: DefinitionSelector): StoredVersion | undefined;
  repository(id: string): RepositoryJson | undefined;
  /** The version, or the newest when none is named. */
  persona(id: string, version?: string): StoredPersona | undefined;
}

/** A decision that depends on what a tenant declares. `decide` is called again after something that it asked for was read, so it must have no side effects. */
export interface DeclaredDecision<T> {
  readonly tenant: string;
  readonly decide: (declarations: Declarations) => T;
}

/** Makes decisions by the declarations that this transaction sees. The answers are in the order of the decisions. */
export type DecideByDeclarations = <T>(
  transaction: Transaction,
  decisions: readonly DeclaredDecision<T>[],
) => Promise<T[]>;

/** The kinds of declarations and what is read of each. */
interface Declared {
  readonly rules: readonly WorkflowRuleJson[];
  readonly ruleVersion: WorkflowRuleJson;
  readonly profile: StoredProfile;
  readonly channels: Readonly<Record<string, string>>;
  readonly version: StoredVersion;
  readonly repository: RepositoryJson;
  readonly persona: StoredPersona;
}
type Kind = keyof Declared;

const lookUps: { readonly [K in Kind]: LookUp<Declared[K]> } = {
  rules: lookUpRules,
  ruleVersion: lookUpRuleVersions,
  profile: lookUpProfiles,
  channels: lookUpChannels,
  version: lookUpVersions,
  repository: lookUpRepositories,
  persona: lookUpPersonas,
};

/** Size of the cache: characters of JSON, for all tenants together. */
const keptCharacters = 32 * 1024 * 1024;
/** Decisions made at once; their declarations are held in memory beside the cache. */
const heldDecisions = 50;

/** One thing that a decision asked for. The key includes tenant and revision, so cached values are never stale. */
interface Need extends Wanted {
  readonly kind: Kind;
  readonly key: string;
}
type Known = Map<string, unknown>;

/**
 * Reads only what the decisions ask for, so that a tenant with many declarations slows nobody down.
 * What was read is cached until the tenant's revision changes; a batch that finds everything in the cache costs one small query.
 */
export function createDecideByDeclarations(): DecideByDeclarations {
  const kept = new LRUCache<string, { readonly value: unknown }>({
    maxSize: keptCharacters,
    sizeCalculation: ({ value }, key) => key.length + (JSON.stringify(value)?.length ?? 1),
  });

  return async (transaction, decisions) => {
    const tenants = [...new Set(decisions.map(({ tenant }) => tenant))];
    const revisions = tenants.length === 0 ? new Map() : await readRevisions(transaction, tenants);
    const answers = [];
    for (let from = 0; from < decisions.length; from += heldDecisions) {
      const known: Known = new Map();
      const ask = (tenant: string, needs: Map<string, Need>) =>
        asking(tenant, revisions.get(tenant) ?? 0, known, kept, needs);
      const learn = (key: string, value: unknown) => {
        known.set(key, value);
        kept.set(key, { value });
      };
      answers.push(...(await decideAll(transaction, decisions.slice(from, from + heldDecisions), ask, learn)));
    }
    return answers;
  };
}

/** Decides, reads what was missing, and decides again. Three reads at most: the profile leads to the plan, and the plan to its personas. */
async function decideAll<T>(
  transaction: Transaction,
  decisions: readonly DeclaredDecision<T>[],
  ask: (tenant: string, needs: Map<string, Need>) => Declarations,
  learn: (key: string, value: unknown) => void,
): Promise<T[]> {
  for (;;) {
    const needs = new Map<string, Need>();
    const answers = decisions.map(({ tenant, decide }) => decide(ask(tenant, needs)));
    if (needs.size === 0) return answers;
    const byKind = Map.groupBy(needs.values(), ({ kind }) => kind);
    await Promise.all(
      [...byKind].map(async ([kind, wanted]) => {
        const found: FoundRow<unknown>[] = await lookUps[kind](transaction, wanted);
        const byIndex = new Map(found.map(({ index, value }) => [index, value]));
        for (const [index, { key }] of wanted.entries()) learn(key, byIndex.get(index));
      }),
    );
  }
}

/** Answers from what was read. What was not is added to `needs`, and the decision is made again. */
function asking(
  tenant: string,
  revision: number,
  known: Known,
  kept: LRUCache<string, { readonly value: unknown }>,
  needs: Map<string, Need>,
): Declarations {
  const read = <K extends Kind>(kind: K, id: string, version = ""): Declared[K] | undefined => {
    if (revision === 0) return undefined; // the tenant never declared anything
    const key = JSON.stringify([tenant, revision, kind, id, version]);
    const before = known.has(key) ? undefined : kept.get(key);
    if (before !== undefined) known.set(key, before.value);
    if (known.has(key)) return known.get(key) as Declared[K] | undefined;
    needs.set(key, { kind, key, tenant, id, version });
    return undefined;
  };
  return {
    rules: (profileId) => read("rules", profileId) ?? [],
    ruleVersion: (id, version) => read("ruleVersion", id, String(version)),
    profile: (id, version) => read("profile", id, version),
    hasDefinition: (id) => read("channels", id) !== undefined,
    version({ id, version, channel }) {
      const wanted = version ?? read("channels", id)?.[channel ?? defaultChannel];
      return wanted === undefined ? undefined : read("version", id, wanted);
    },
    repository: (id) => read("repository", id),
    persona: (id, version) => read("persona", id, version),
  };
}
