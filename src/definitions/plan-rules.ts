import { toJson } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { AutomationPlan, Step } from "../gen/automation/v1/automation_plan_pb.ts";
import { AutomationPlanSchema } from "../gen/automation/v1/automation_plan_pb.ts";
import { faultOfRef } from "../text/git-ref.ts";
import { faultOfSize } from "./invalid-declaration-error.ts";
import { faultOfTreePath } from "./policy/match-patterns.ts";
import { faultOfTime, faultsOfPolicy } from "./policy/policy-rules.ts";

const longestLimitMs = 30 * 24 * 3_600_000;

/** Everything in a plan that no run could do and that the rules of its proto don't check. Empty: the plan can be published. */
export function faultsOfPlan(plan: AutomationPlan): string[] {
  const { timeLimit, queueLimit, handoffLimit, steps, repository } = plan;
  const json = toJson(AutomationPlanSchema, plan);
  const { policy } = json;
  const ref = repository === undefined || repository.ref === "" ? undefined : faultOfRef(repository.ref);
  return [
    ...faultOfSize(json, "plan"),
    ...faultOfLimit(timeLimit, "plan.time_limit"),
    ...faultOfLimit(queueLimit, "plan.queue_limit"),
    ...faultOfLimit(handoffLimit, "plan.handoff_limit"),
    ...(ref === undefined ? [] : [`plan.repository.ref "${repository?.ref}" ${ref}; name a branch, tag or commit`]),
    ...(policy === undefined ? [] : faultsOfPolicy(policy, "plan.policy")),
    ...steps.flatMap((step, index) => faultsOfStep(step, `plan.steps.${index}`)),
    ...repeated(steps, ({ id }) => id, "id", "is that of an earlier step; give each step its own"),
    ...repeated(
      steps,
      ({ kind }) => (kind.case === "document" ? kind.value.path : undefined),
      "document.path",
      "is kept by an earlier step; keep each document once",
    ),
    ...lateWork(steps),
  ];
}

function faultOfLimit(limit: Duration | undefined, field: string): string[] {
  if (limit === undefined || (durationMs(limit) >= 1_000 && durationMs(limit) <= longestLimitMs)) return [];
  return [`${field} ${durationMs(limit) / 1_000}s must be between 1s and 2592000s (30 days)`];
}

function faultsOfStep({ kind, timeLimit }: Step, field: string): string[] {
  const time = faultOfTime(timeLimit, `${field}.time_limit`);
  switch (kind.case) {
    case "command":
      return [...time, ...faultOfArgv(kind.value.argv, `${field}.command.argv`)];
    case "test":
      return [
        ...time,
        ...faultOfArgv(kind.value.argv, `${field}.test.argv`),
        ...faultOfPath(kind.value.reportPath, `${field}.test.report_path`),
      ];
    case "document":
      return [...time, ...faultOfPath(kind.value.path, `${field}.document.path`)];
    default:
      return time;
  }
}

function faultOfArgv(argv: readonly string[], field: string): string[] {
  if (argv[0] === "") return [`${field}.0 is empty; name the program`];
  const index = argv.findIndex((word) => word.includes("\0") || !word.isWellFormed());
  return index < 0
    ? []
    : [`${field}.${index} has NUL or invalid Unicode, which can't be passed to a program; remove it`];
}

function faultOfPath(path: string, field: string): string[] {
  const fault = path.split("/").some((part) => part.toLowerCase() === ".git")
    ? "is in a git folder, which is not part of the tree; name a file of the tree"
    : faultOfTreePath(path);
  return fault === undefined ? [] : [`${field} "${path}" ${fault}`];
}

function repeated(
  steps: readonly Step[],
  keyOf: (step: Step) => string | undefined,
  field: string,
  rule: string,
): string[] {
  const seen = new Set<string>();
  return steps.flatMap((step, index) => {
    const key = keyOf(step);
    if (key === undefined) return [];
    const isKnown = seen.has(key);
    seen.add(key);
    return isKnown ? [`plan.steps.${index}.${field} "${key}" ${rule}`] : [];
  });
}

/** Steps that read the captured tree must come after the steps that change it. */
function lateWork(steps: readonly Step[]): string[] {
  const looks = ({ kind }: Step) => kind.case === "test" || kind.case === "document";
  const first = steps.findIndex(looks);
  if (first < 0) return [];
  return steps
    .slice(first)
    .filter((step) => !looks(step))
    .map(
      ({ id, kind }) =>
        `plan.steps: ${kind.case} step "${id}" is after "${steps[first]?.id}", which looks at the captured tree; put agent and command steps first`,
    );
}
