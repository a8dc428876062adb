import { expect, it } from "vitest";
import { RunRequestedSchema } from "../../gen/automation/v1/run_requested_pb.ts";
import { checkMessage } from "./yaml-message.ts";

it("is refused for a day that does not exist, with file, line, field, value and rule", () => {
  const request = { profile: { id: "team" }, workKind: "story", deadline: "2027-02-30T00:00:00Z" };
  const document = { file: "request.yaml", json: request, lineOf: () => 3 };
  expect(checkMessage(RunRequestedSchema, document, [])).toEqual({
    faults: [
      {
        file: "request.yaml",
        line: 3,
        field: "deadline",
        value: '"2027-02-30T00:00:00Z"',
        rule: "must be a day and time that exist",
        remedy: "correct it",
      },
    ],
  });
});
