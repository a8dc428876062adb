import { expect, it } from "vitest";
import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import { completionGateOf } from "./completion-gate.ts";

const reviewed = { id: "reviewed", requirements: [{ id: "ran", kind: "agent-run", remedy: "Ask again." }] };
const profile: ProfileJson = {
  id: "team",
  version: "1",
  method: "scrum",
  gates: [{ id: "done" }, reviewed],
  completionGate: "reviewed",
};

it("is the gate that the profile names, whatever their order", () => {
  expect(completionGateOf(profile)).toEqual({ ...reviewed, method: "scrum" });
});

it("is never another gate than the named one", () => {
  expect(() => completionGateOf({ ...profile, completionGate: "gone" })).toThrow('team@1 has no gate "gone"');
});
