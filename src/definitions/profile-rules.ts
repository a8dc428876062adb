import type { Profile, Requirement } from "../gen/governance/v1/profile_pb.ts";
import { outcomesOfKind } from "./evidence-kinds.ts";

/** Lines that every verdict of work has, whatever its profile asks for. */
const ownLines = /^(steps-done|work-examined|capture-complete|exit-gate-.*|tests-kept-.*)$/;

/** Everything about a profile that its proto's rules don't see: a requirement that would be taken for another line, or that nothing can meet. */
export function faultsOfProfile({ gate }: Pick<Profile, "gate">): string[] {
  const seen = new Set<string>();
  return (gate?.requirements ?? []).flatMap((requirement, index) => {
    const field = `gate.requirements.${index}`;
    const isKnown = seen.has(requirement.id);
    seen.add(requirement.id);
    const fault = isKnown ? "is that of an earlier requirement; give each its own" : faultOfId(requirement);
    return [
      ...(fault === undefined ? [] : [`${field}.id "${requirement.id}" ${fault}`]),
      ...faultOfOutcome(requirement, field),
    ];
  });
}

function faultOfId({ id, kind }: Requirement): string | undefined {
  if (ownLines.test(id)) return "is the name of a line that every verdict has; choose another";
  if (id === "run-completed" && kind !== "agent-run")
    return "is the name of the line about the run's end; choose another, or ask for kind agent-run";
  return undefined;
}

function faultOfOutcome({ kind, outcome }: Requirement, field: string): string[] {
  const outcomes = outcomesOfKind.get(kind);
  if (outcome === "" || outcomes === undefined || outcomes.includes(outcome)) return [];
  return [
    `${field}.outcome "${outcome}" is nothing that a ${kind} states, so no run could meet it; use ${outcomes.join(", ")}`,
  ];
}
