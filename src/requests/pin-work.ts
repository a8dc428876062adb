import type { Declarations } from "../definitions/declarations.ts";
import type { Denial } from "../definitions/policy/judge-policy.ts";
import { judgeCommand } from "../definitions/policy/judge-policy.ts";
import type { PolicyLayer } from "../definitions/policy/policy-layers.ts";
import { chooseIsolation, compilePolicy } from "../definitions/policy/policy-layers.ts";
import { faultsOfPolicy } from "../definitions/policy/policy-rules.ts";
import type { WorkspaceRules } from "../definitions/policy/workspace-rules.ts";
import { operatorLayers } from "../definitions/policy/workspace-rules.ts";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import type { AutomationPlanJson, PersonaRefJson, StepJson } from "../gen/automation/v1/automation_plan_pb.ts";
import type { EffectivePolicyJson, IsolationClassJson } from "../gen/automation/v1/policy_pb.ts";
import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { PinnedPersonaJson, PinnedRepositoryJson, RunPinsJson } from "../gen/automation/v1/run_work_pb.ts";
import type { RepositoryJson } from "../gen/workflows_runtime/v1/repository_pb.ts";
import type { StoredPersona } from "../personas/persona-store.ts";
import { isFor } from "../rules/match-rule.ts";
import type { Scope } from "../tenancy/transaction.ts";
import { canonicalDigest } from "../text/canonical-json.ts";
import { faultOfRef } from "../text/git-ref.ts";

export interface PinnedWork {
  /** Absent for a plan without steps. */
  readonly pins?: RunPinsJson;
  /** Every reason why the work is impossible, as far as it is known before the start. */
  readonly obstacles: readonly Reason[];
}

/**
 * Pins what the steps of a plan use: the repository, personas by digest, the effective policy of all layers, and the isolation class.
 * A plan without steps needs none of them.
 * @param by.personas - versions that count before those of the plan, by the id of the step
 */
export function pinWork(
  plan: AutomationPlanJson,
  requested: RunRequestedJson,
  by: {
    readonly scope: Scope;
    readonly declarations: Declarations;
    readonly rules: WorkspaceRules;
    readonly personas: ReadonlyMap<string, string>;
  },
): PinnedWork {
  const { scope, declarations, rules } = by;
  const { steps = [] } = plan;
  if (steps.length === 0) return { obstacles: [] };
  const repository = pinRepository(plan, requested, declarations, scope.org);
  const personas = steps.map((step, index) => pinPersona(step, index, declarations, by.personas));
  const stored = personas.flatMap(({ persona }) => persona ?? []);
  const layers: PolicyLayer[] = [
    ...operatorLayers(rules, scope.tenant),
    { layer: "repository", policy: repository.declared?.policy ?? {} },
    ...new Map(stored.map((persona) => [persona.digest, layerOf(persona)])).values(),
    { layer: "plan", policy: plan.policy ?? {}, isolation: plan.isolation },
  ];
  const policy = compilePolicy(layers);
  const isolation = chooseIsolation(rules.isolation, policy.isolation);
  const obstacles = [
    ...repository.obstacles,
    ...personas.flatMap(({ obstacle }) => obstacle ?? []),
    ...stored.flatMap(unusablePolicy),
    ...deniedCommands(steps, policy),
    ...(isolation === undefined ? [notOffered(rules.isolation, layers, policy)] : []),
  ];
  if (obstacles.length > 0 || isolation === undefined) return { obstacles };
  return {
    obstacles,
    pins: {
      repository: repository.pinned,
      personas: personas.flatMap(({ pinned }) => pinned ?? []),
      policy,
      policyDigest: canonicalDigest(policy),
      isolation,
      segments: [{ segment: 1, stepIds: steps.map(({ id = "" }) => id) }],
    },
  };
}

/** The repository is pinned only if there is no obstacle. */
interface FoundRepository {
  readonly obstacles: readonly Reason[];
  readonly declared?: RepositoryJson;
  readonly pinned?: PinnedRepositoryJson;
}

/** Takes the event's repository, else the plan's. */
function pinRepository(
  plan: AutomationPlanJson,
  requested: RunRequestedJson,
  declarations: Declarations,
  org: string,
): FoundRepository {
  const field = requested.repository === undefined ? "plan.repository" : "repository";
  const named = requested.repository ?? plan.repository;
  if (named === undefined) return { obstacles: [repositoryRequired()] };
  const { id = "" } = named;
  const declared = declarations.repository(id);
  const ref = named.ref || declared?.defaultRef;
  const fault = ref === undefined ? undefined : faultOfRef(ref);
  const obstacles = [
    ...(declared === undefined ? [repositoryUnknown(`${field}.id`, id)] : []),
    ...(declared === undefined || isFor(org, declared) ? [] : [repositoryOfOthers(`${field}.id`, id, org)]),
    ...(fault === undefined
      ? []
      : [reason("invalid_ref", `${field}.ref`, ref, fault, "ask for a branch, a tag or a full commit id")]),
  ];
  return { obstacles, declared, ...(obstacles.length === 0 ? { pinned: { id, url: declared?.url, ref } } : {}) };
}

function repositoryRequired(): Reason {
  return reason(
    "repository_required",
    "repository",
    "",
    "the plan has steps, and neither it nor the request names a repository to work on",
    "name a repository in the request, or publish a version of the definition that does",
  );
}

function repositoryUnknown(field: string, id: string): Reason {
  return reason(
    "unknown_repository",
    field,
    id,
    "is not declared for this tenant",
    "declare it with `automation apply -f FILE`",
  );
}

function repositoryOfOthers(field: string, id: string, org: string): Reason {
  return reason(
    "foreign_org",
    field,
    id,
    `is not for runs of org ${org}`,
    "name a repository of the org, or have an admin of the tenant add the org to its `orgs`",
  );
}

/** Empty for a step without a persona. */
interface FoundPersona {
  readonly obstacle?: Reason;
  readonly persona?: StoredPersona;
  readonly pinned?: PinnedPersonaJson;
}

function pinPersona(
  step: StepJson,
  index: number,
  declarations: Declarations,
  fixed: ReadonlyMap<string, string>,
): FoundPersona {
  if (step.agent === undefined) return {};
  const named = step.agent.persona ?? {};
  const ref = { ...named, version: fixed.get(step.id ?? "") ?? named.version };
  const persona = declarations.persona(ref.id ?? "", ref.version);
  if (persona === undefined) return { obstacle: personaUnknown(ref, index) };
  const { id, version, digest } = persona;
  return { persona, pinned: { stepId: step.id, id, version, digest } };
}

function personaUnknown({ id = "", version = "" }: PersonaRefJson, index: number): Reason {
  return reason(
    "unknown_persona",
    `plan.steps.${index}.agent.persona`,
    version === "" ? id : `${id}@${version}`,
    version === "" ? "is not published for this tenant" : "has no such version for this tenant",
    "publish it with `automation persona publish FOLDER`",
  );
}

function layerOf({ id, manifest }: StoredPersona): PolicyLayer {
  return { layer: `persona/${id}`, policy: manifest.policy ?? {}, isolation: manifest.isolation };
}

/** Publishing a bundle does not check its policy rules; a rule that can't match anything would protect nothing. */
function unusablePolicy({ id, version, manifest }: StoredPersona): Reason[] {
  return faultsOfPolicy(manifest.policy ?? {}, "policy").map((fault) =>
    reason(
      "invalid_persona_policy",
      "persona",
      `${id}@${version}`,
      fault,
      "correct persona.yaml and publish it as another version",
    ),
  );
}

function deniedCommands(steps: readonly StepJson[], policy: EffectivePolicyJson): Reason[] {
  return steps.flatMap((step, index) => {
    const kind = step.command === undefined ? "test" : "command";
    const argv = step[kind]?.argv;
    const denial = argv === undefined ? undefined : judgeCommand(policy, argv);
    if (argv === undefined || denial === undefined) return [];
    return [
      reason(
        "command_denied",
        `plan.steps.${index}.${kind}.argv`,
        argv.join(" "),
        toldDenial(denial),
        `change the step, or have layer ${denial.layer} allow it`,
      ),
    ];
  });
}

function toldDenial({ layer, rule, kind }: Denial): string {
  return kind === "deny" ? `layer ${layer} denies "${rule}"` : `layer ${layer} allows only: ${rule}`;
}

function notOffered(
  offered: readonly IsolationClassJson[],
  layers: readonly PolicyLayer[],
  { isolation }: EffectivePolicyJson,
): Reason {
  const demanding = layers.filter((each) => each.isolation === isolation).map(({ layer }) => layer);
  const demand = demanding.length === 0 ? "steps need some isolation" : `${demanding.join(", ")} demands this at least`;
  return reason(
    "isolation_not_offered",
    "plan.isolation",
    demanding.length === 0 ? "" : isolation,
    `${demand}; this installation offers ${offered.join(", ") || "none"}`,
    "have the operator add the class below workspaces.isolation and run a worker of it, or demand less",
  );
}
