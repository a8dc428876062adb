import type { Gate, Profile, Requirement } from "../gen/governance/v1/profile_pb.ts";

/** The outcomes that evidence of each kind can state. A requirement without an outcome asks for the first. */
export const outcomesOfKind: ReadonlyMap<string, readonly string[]> = new Map([
  ["agent-run", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"]],
  ["test-result", ["PASSED", "FAILED"]],
  ["diff", ["CAPTURED", "UNCHANGED", "PARTIAL"]],
  ["document", ["KEPT"]],
]);

/** Lines that every verdict on work has, whatever its profile requires. */
const ownLines = /^(steps-done|work-examined|capture-complete|exit-gate-.*|tests-kept-.*)$/;

/**
 * What is wrong with a profile beyond the rules of its proto: an unknown method, ids that are used twice, a completion gate that is not among its gates, a requirement that would be confused with another line
 * or that nothing can meet.
 * @param methods - those that this version knows
 */
export function faultsOfProfile(
  { method, gates, completionGate }: Pick<Profile, "method" | "gates" | "completionGate">,
  methods: readonly string[],
): string[] {
  return [
    ...(methods.includes(method) ? [] : [`method "${method}" is unknown; use one of ${methods.join(", ")}`]),
    ...faultsOfIds(gates, "gates", "gate"),
    ...gates.flatMap(({ requirements }, index) => faultsOfRequirements(requirements, `gates.${index}.requirements`)),
    ...faultsOfCompletionGate(gates, completionGate),
  ];
}

function faultsOfIds(all: readonly { readonly id: string }[], field: string, what: string): string[] {
  return all.flatMap(({ id }, index) =>
    all.findIndex((each) => each.id === id) === index
      ? []
      : [`${field}.${index}.id "${id}" is that of an earlier ${what}; give each its own`],
  );
}

function faultsOfCompletionGate(gates: readonly Gate[], completionGate: string): string[] {
  if (gates.some(({ id }) => id === completionGate)) return [];
  const value = completionGate === "" ? "(absent)" : `"${completionGate}"`;
  const ids = [...new Set(gates.map(({ id }) => id))].join(", ");
  return [`completionGate ${value} must be the id of the gate that runs are judged at; use one of ${ids}`];
}

function faultsOfRequirements(requirements: readonly Requirement[], field: string): string[] {
  return [
    ...faultsOfIds(requirements, field, "requirement"),
    ...requirements.flatMap((requirement, index) => [
      ...faultOfName(requirement, `${field}.${index}`),
      ...faultOfEvidence(requirement, `${field}.${index}`),
    ]),
  ];
}

function faultOfName({ id, kind }: Requirement, field: string): string[] {
  if (ownLines.test(id)) return [`${field}.id "${id}" is the name of a line that every verdict has; choose another`];
  if (id === "run-completed" && kind !== "agent-run")
    return [
      `${field}.id "${id}" is the name of the line about the run's end; choose another, or ask for kind agent-run`,
    ];
  return [];
}

function faultOfEvidence({ kind, outcome }: Requirement, field: string): string[] {
  const outcomes = outcomesOfKind.get(kind);
  if (outcomes === undefined)
    return [
      `${field}.kind "${kind}" is no kind of evidence, so no run could meet it; use ${[...outcomesOfKind.keys()].join(", ")}`,
    ];
  if (outcome === "" || outcomes.includes(outcome)) return [];
  return [
    `${field}.outcome "${outcome}" is never stated by a ${kind}, so no run could meet it; use ${outcomes.join(", ")}`,
  ];
}
