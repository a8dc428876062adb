import type { ReferencesJson, RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { RunRequestedJson } from "../gen/automation/v1/run_requested_pb.ts";
import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import type { Reason } from "./rejection-reason.ts";
import { reason } from "./rejection-reason.ts";

/** What is known about a request before it becomes a run. */
export interface GuardedRequest {
  readonly request: RunRequestedJson;
  /** The method of the request's context. */
  readonly method: string;
  readonly references: ReferencesJson;
  readonly profile: ProfileJson;
  /** Roles that people of this installation can hold; empty: every role is accepted. */
  readonly knownRoles: readonly string[];
  readonly now: Date;
}

/** The guards before a start. @returns every reason why the run can't succeed; empty when there is none */
export function findObstacles(guarded: GuardedRequest): Reason[] {
  return [
    ...otherMethod(guarded),
    ...missingReferences(guarded),
    ...passedDeadline(guarded),
    ...unmeetableRoles(guarded),
  ];
}

function otherMethod({ profile, method }: GuardedRequest): Reason[] {
  if (profile.method === method) return [];
  return [
    reason(
      "other_method",
      "context",
      method,
      `profile ${profile.id}@${profile.version} is of method ${profile.method}`,
      `send a context of ${profile.method}, or name a profile of ${method}`,
    ),
  ];
}

function missingReferences({ profile, references }: GuardedRequest): Reason[] {
  const kinds = new Set(everyRef(references).map((ref) => ref.kind));
  return (profile.requiredReferences ?? [])
    .filter((kind) => !kinds.has(kind))
    .map((kind) =>
      reason(
        "missing_reference",
        "context",
        "",
        `profile ${profile.id}@${profile.version} demands a reference of kind ${kind}`,
        `name the ${kind.replaceAll("_", " ")} in the context`,
      ),
    );
}

function passedDeadline({ request, now }: GuardedRequest): Reason[] {
  if (request.deadline === undefined || Date.parse(request.deadline) > now.getTime()) return [];
  return [
    reason(
      "limit_passed",
      "deadline",
      request.deadline,
      `must be after ${now.toISOString()}`,
      "ask with a later deadline, or none",
    ),
  ];
}

function unmeetableRoles({ request, profile, knownRoles }: GuardedRequest): Reason[] {
  return (request.roleExpectations ?? []).flatMap(({ role = "", minPeople = 0 }, index) => {
    const field = `role_expectations.${index}.role`;
    if (knownRoles.length > 0 && !knownRoles.includes(role))
      return [
        reason(
          "unknown_role",
          field,
          role,
          `must be one of ${knownRoles.join(", ")}`,
          "expect a role of this installation",
        ),
      ];
    const holders = profile.roles?.find((binding) => binding.role === role)?.holders?.length ?? 0;
    const needed = Math.max(1, minPeople);
    if (holders >= needed) return [];
    return [
      reason(
        "unmeetable_role",
        field,
        role,
        `needs ${needed} people; profile ${profile.id}@${profile.version} names ${holders}`,
        "expect fewer people, or publish a profile version that names more holders",
      ),
    ];
  });
}

/** Every reference of the four lists. */
function everyRef({ timeboxes = [], goals = [], workItems = [], elements = [] }: ReferencesJson): RefJson[] {
  return [...timeboxes, ...goals, ...workItems, ...elements];
}
