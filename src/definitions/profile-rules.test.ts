import { create, fromJson } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import type { RequirementJson } from "../gen/governance/v1/profile_pb.ts";
import { GateSchema, ProfileSchema } from "../gen/governance/v1/profile_pb.ts";
import { faultsOfProfile } from "./profile-rules.ts";

const faultsOf = (...requirements: RequirementJson[]) =>
  faultsOfProfile(create(ProfileSchema, { gate: fromJson(GateSchema, { id: "done", requirements }) }));
const ran: RequirementJson = { id: "run-completed", kind: "agent-run", outcome: "COMPLETED", remedy: "Ask again." };

it("takes what a run can meet", () => {
  expect(
    faultsOf(ran, { ...ran, id: "tested", kind: "test-result", outcome: "" }, { ...ran, id: "sbom", kind: "sbom" }),
  ).toEqual([]);
});

it.each<[string, RequirementJson[], string]>([
  ["two of one id", [ran, ran], 'gate.requirements.1.id "run-completed" is that of an earlier requirement'],
  [
    "an outcome that nothing states",
    [{ ...ran, kind: "diff", id: "d", outcome: "PASSED" }],
    'requirements.0.outcome "PASSED"',
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
