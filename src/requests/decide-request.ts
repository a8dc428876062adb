import { fromJson, toJson } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import type { Declarations } from "../definitions/declarations.ts";
import type { StoredVersion } from "../definitions/definition-store.ts";
import type { WorkspaceRules } from "../definitions/policy/workspace-rules.ts";
import type { StoredProfile } from "../definitions/profile-store.ts";
import type { Reason } from "../definitions/rejection-reason.ts";
import { reason, reasonsOfViolations } from "../definitions/rejection-reason.ts";
import { findObstacles } from "../definitions/start-guards.ts";
import { AutomationPlanSchema } from "../gen/automation/v1/automation_plan_pb.ts";
import type { RunRequested, RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import type { RunPinsJson } from "../gen/automation/v1/run_work_pb.ts";
import type { RuleTriedJson } from "../gen/workflows_runtime/v1/rule_tried_pb.ts";
import type { WorkflowRuleJson } from "../gen/workflows_runtime/v1/workflow_rule_pb.ts";
import type { DerivedReferences } from "../methodology/context-references.ts";
import { deriveReferences } from "../methodology/context-references.ts";
import type { SeenEvent } from "../rules/cel/rule-input.ts";
import { ruleInputOf } from "../rules/cel/rule-input.ts";
import type { RulesTried } from "../rules/match-rule.ts";
import { chooseDefinition } from "../rules/match-rule.ts";
import { fairnessKeyOf, queueKeysOf } from "../rules/queue-keys.ts";
import type { TimeLimits } from "../runs/time-limits.ts";
import type { CloudEvent } from "./cloudevent.ts";
import { pinWork } from "./pin-work.ts";
import { readRunRequested } from "./read-run-requested.ts";
import type { TraceContext } from "./trace-context.ts";

/** What the operator decides about every request. */
export interface OperatorRules {
  /** Roles that people of this installation can hold; empty: not checked. */
  readonly knownRoles: readonly string[];
  readonly workspaces: WorkspaceRules;
  /** For runs whose plan sets no limits. */
  readonly runs: TimeLimits;
}

/** Versions that a decision keeps to, in place of rules, channels and the newest ones. */
export interface FixedVersions {
  /** The rule that chose the definition then; its condition is not asked again. */
  readonly rule: { readonly id: string; readonly version: number } | undefined;
  readonly definition: { readonly id: string; readonly version: string };
  /** Version of each step's persona, by the id of the step. */
  readonly personas: ReadonlyMap<string, string>;
}

/** The decision about a request that was not seen before. */
export type Decision = Fate & {
  /** Paths of the data that were dropped, because only a newer version of its schema has them. */
  readonly droppedFields: readonly string[];
};

type Fate = {
  /** The rules that were tried; none for fixed versions, and for what is no request. */
  readonly tried: readonly RuleTriedJson[];
} & (
  | { readonly disposition: "accepted"; readonly run: DecidedRun }
  | { readonly disposition: "filtered" | "rejected" | "quarantined"; readonly reasons: readonly Reason[] }
);

/** A run that may start, with the versions that make it. */
export interface DecidedRun {
  readonly requested: RunRequestedJson;
  readonly derived: DerivedReferences;
  readonly profile: StoredProfile;
  readonly version: StoredVersion;
  readonly rule?: WorkflowRuleJson;
  /** What the run counts under before it starts. */
  readonly queueKeys: readonly string[];
  /** What it shares its turns with. */
  readonly fairnessKey: string;
  /** 1 (first) to 5. */
  readonly priority: number;
  readonly limits: TimeLimits;
  /** The event's own deadline; null when it has none. */
  readonly deadlineAt: Date | null;
  /** Absent for a plan without steps. */
  readonly pins?: RunPinsJson;
}

const validator = createValidator();
const ordinaryPriority = 3;

/** Decides by what the tenant declares, before a run is made. A rejection names all its reasons at once. */
export function decideRequest(
  event: Omit<CloudEvent, keyof TraceContext>,
  declarations: Declarations,
  rules: { readonly operator: OperatorRules; readonly now: Date; readonly fixed?: FixedVersions },
): Decision {
  const read = readRunRequested(event);
  if ("reasons" in read) return { disposition: "quarantined", droppedFields: [], tried: [], ...read };
  return { ...decideRead(read.message, event, declarations, rules), droppedFields: read.droppedFields };
}

function decideRead(
  message: RunRequested,
  event: SeenEvent,
  declarations: Declarations,
  { operator, now, fixed }: Parameters<typeof decideRequest>[2],
): Fate {
  const checked = validator.validate(RunRequestedSchema, message);
  if (checked.kind === "error") throw checked.error;
  const violations = checked.kind === "invalid" ? reasonsOfViolations(checked.violations, message) : [];
  const requested = toJson(RunRequestedSchema, message);
  const profile = declarations.profile(message.profile?.id ?? "", message.profile?.version);
  const unknownProfile =
    profile === undefined && message.profile !== undefined ? [profileUnknown(message.profile)] : [];
  const derived = message.context?.method.case === undefined ? undefined : deriveReferences(requested.context ?? {});
  const input = ruleInputOf({
    event,
    request: message,
    profile: profile?.profile,
    references: derived?.references ?? {},
  });
  const { tried, failed, choice } =
    fixed === undefined
      ? chooseDefinition(declarations.rules(message.profile?.id ?? ""), requested, {
          org: event.org,
          profile: profile?.profile,
          input,
        })
      : {
          tried: [],
          failed: undefined,
          choice: { definition: fixed.definition, rule: fixedRule(fixed, declarations) },
        };
  const early = [...violations, ...unknownProfile];
  if (failed !== undefined && early.length === 0)
    return { disposition: "quarantined", tried, reasons: [ruleFailed(failed)] };
  if (choice === undefined)
    return early.length > 0
      ? { disposition: "rejected", tried, reasons: early }
      : {
          disposition: "filtered",
          tried,
          reasons: [
            reason(
              "no_definition",
              "work_kind",
              requested.workKind ?? "",
              "no rule, definition or binding of the profile is meant by the request",
              "name a definition, bind the work kind in the profile, or put a rule",
            ),
          ],
        };
  const version = declarations.version(choice.definition);
  const unknownDefinition =
    version === undefined
      ? [definitionUnknown(choice.definition, declarations.hasDefinition(choice.definition.id))]
      : [];
  const obstacles =
    profile === undefined || derived === undefined
      ? []
      : findObstacles({
          request: requested,
          method: derived.method,
          references: derived.references,
          profile: profile.profile,
          knownRoles: operator.knownRoles,
          now,
        });
  const work =
    version === undefined
      ? { obstacles: [] }
      : pinWork(version.plan, requested, {
          scope: event,
          declarations,
          rules: operator.workspaces,
          personas: fixed?.personas ?? new Map(),
        });
  const reasons = [...early, ...unknownDefinition, ...obstacles, ...work.obstacles];
  if (reasons.length > 0 || profile === undefined || version === undefined || derived === undefined)
    return { disposition: "rejected", tried, reasons };
  const { rule } = choice;
  const counted = {
    rule: rule?.id,
    tenant: event.tenant,
    repository: work.pins?.repository?.id,
    profile: profile.id,
  };
  return {
    disposition: "accepted",
    tried,
    run: {
      requested,
      derived,
      profile,
      version,
      rule,
      queueKeys: queueKeysOf(rule?.limits ?? [], counted),
      fairnessKey: fairnessKeyOf(rule?.fairness, counted),
      priority: rule?.runPriority || message.priority || ordinaryPriority,
      limits: limitsOf(version, operator.runs),
      deadlineAt: requested.deadline === undefined ? null : new Date(requested.deadline),
      pins: work.pins,
    },
  };
}

/** Of a run from before rules had versions, the id alone is known. */
const fixedRule = ({ rule }: FixedVersions, declarations: Declarations): WorkflowRuleJson | undefined =>
  rule && (declarations.ruleVersion(rule.id, rule.version) ?? { id: rule.id });

const ruleFailed = ({ id = "", when = "", why }: NonNullable<RulesTried["failed"]>): Reason =>
  reason(
    "rule_failed",
    `rules.${id}.when`,
    when,
    why,
    `correct the condition of rule "${id}", then replay the request with \`automation request replay --reason rule_failed\``,
  );

/** The plan's limits; the operator's where the plan has none. */
function limitsOf(version: StoredVersion, ordinary: TimeLimits): TimeLimits {
  const plan = fromJson(AutomationPlanSchema, version.plan, { ignoreUnknownFields: true });
  const secondsOf = (own: Duration | undefined, otherwise: number) =>
    own === undefined ? otherwise : Math.ceil(durationMs(own) / 1_000);
  return {
    queueLimitSeconds: secondsOf(plan.queueLimit, ordinary.queueLimitSeconds),
    workLimitSeconds: secondsOf(plan.timeLimit, ordinary.workLimitSeconds),
    handoffLimitSeconds: secondsOf(plan.handoffLimit, ordinary.handoffLimitSeconds),
  };
}

function profileUnknown({ id, version }: { readonly id: string; readonly version: string }): Reason {
  const named = version === "" ? id : `${id}@${version}`;
  return reason(
    "unknown_profile",
    "profile",
    named,
    "is not published for this tenant",
    "publish it with `automation apply -f FILE`",
  );
}

function definitionUnknown(
  { id, version, channel }: { readonly id: string; readonly version?: string; readonly channel?: string },
  isKnown: boolean,
): Reason {
  const named = version === undefined ? `${id} on channel ${channel ?? "stable"}` : `${id}@${version}`;
  const rule = isKnown ? "has no such version or channel" : "is not published for this tenant";
  return reason("unknown_definition", "definition", named, rule, "publish it with `automation apply -f FILE`");
}
