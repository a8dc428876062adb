import { create, fromJson } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import type { GateJson, RequirementJson } from "../gen/governance/v1/profile_pb.ts";
import { GateSchema, ProfileSchema } from "../gen/governance/v1/profile_pb.ts";
import { faultsOfProfile } from "./profile-rules.ts";

const faultsOfGates = (completionGate: string, ...gates: GateJson[]) =>
  faultsOfProfile(
    create(ProfileSchema, { method: "scrum", completionGate, gates: gates.map((gate) => fromJson(GateSchema, gate)) }),
    ["scrum"],
  );
const faultsOf = (...requirements: RequirementJson[]) => faultsOfGates("done", { id: "done", requirements });
const ran: RequirementJson = { id: "run-completed", kind: "agent-run", outcome: "COMPLETED", remedy: "Ask again." };
const done: GateJson = { id: "done", requirements: [ran] };

it("takes what a run can meet", () => {
  expect(faultsOf(ran, { ...ran, id: "tested", kind: "test-result", outcome: "" })).toEqual([]);
});

it("refuses a method that this version does not know, and lists those that it does", () => {
  const profile = create(ProfileSchema, { method: "kanban", gates: [{ id: "done" }], completionGate: "done" });
  expect(faultsOfProfile(profile, ["safe", "scrum"])).toEqual(['method "kanban" is unknown; use one of safe, scrum']);
});

it("takes several gates, of which one is named as the completion gate, and lets them share names of requirements", () => {
  expect(faultsOfGates("reviewed", done, { id: "reviewed", requirements: [ran] })).toEqual([]);
});

it.each<[string, string, GateJson[], string]>([
  [
    "none named",
    "",
    [done],
    "completionGate (absent) must be the id of the gate that runs are judged at; use one of done",
  ],
  [
    "an unknown one",
    "gone",
    [done],
    'completionGate "gone" must be the id of the gate that runs are judged at; use one of done',
  ],
  ["two of one id", "done", [done, done], 'gates.1.id "done" is that of an earlier gate; give each its own'],
])("refuses gates with %s, with field, value and remedy", (_case, completionGate, gates, fault) => {
  expect(faultsOfGates(completionGate, ...gates)).toEqual([fault]);
});

it("looks at the requirements of every gate", () => {
  const wrong: GateJson = { id: "reviewed", requirements: [{ ...ran, kind: "diff", id: "d", outcome: "PASSED" }] };
  expect(faultsOfGates("done", done, wrong)).toEqual([
    expect.stringContaining('gates.1.requirements.0.outcome "PASSED" is never stated by a diff'),
  ]);
});

it.each<[string, RequirementJson[], string]>([
  ["two of one id", [ran, ran], 'gates.0.requirements.1.id "run-completed" is that of an earlier requirement'],
  [
    "an outcome that nothing states",
    [{ ...ran, kind: "diff", id: "d", outcome: "PASSED" }],
    'requirements.0.outcome "PASSED"',
  ],
  [
    "a kind of evidence that nothing makes",
    [{ ...ran, id: "tested", kind: "tests" }],
    'gates.0.requirements.0.kind "tests" is no kind of evidence, so no run could meet it; use agent-run, test-result',
  ],
  [
    "the line of the run's end for something else",
    [{ ...ran, kind: "diff", outcome: "" }],
    'requirements.0.id "run-completed"',
  ],
  ...["steps-done", "work-examined", "capture-complete", "exit-gate-paths", "tests-kept-unit"].map(
    (id): [string, RequirementJson[], string] => [`the name ${id}`, [{ ...ran, id }], `requirements.0.id "${id}"`],
  ),
])("refuses %s, with field, value and remedy", (_case, requirements, fault) => {
  expect(faultsOf(...requirements)).toEqual([expect.stringContaining(fault)]);
  expect(faultsOf(...requirements)[0]).toMatch(/; (give|choose|use)|, or ask/);
});
