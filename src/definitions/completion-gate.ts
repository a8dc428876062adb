import type { GateJson, ProfileJson } from "../gen/governance/v1/profile_pb.ts";

/** A gate and its profile's method; together they name the level that a pass reaches. */
export interface MethodGate extends GateJson {
  readonly id: string;
  readonly method: string;
}

/** The gate that every run of a profile is judged at. @throws Error when the profile has no such gate; publishing refuses such a profile */
export function completionGateOf(profile: ProfileJson): MethodGate {
  const { id, version, method = "", gates = [], completionGate = "" } = profile;
  const gate = gates.find((each) => each.id === completionGate);
  if (gate === undefined) throw new Error(`profile ${id}@${version} has no gate "${completionGate}"`);
  return { ...gate, id: completionGate, method };
}
