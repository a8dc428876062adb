import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { RunStatus } from "../../gen/automation/v1/run_event_pb.ts";
import { AbortSealRequestSchema } from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { abortedEndOf, UnsealableOutcomeError } from "./aborted-end.ts";

const asked = (outcome: RunStatus) => create(AbortSealRequestSchema, { outcome, cause: "internal", reason: "why" });

describe("the end that AbortSeal is asked for", () => {
  it.each([
    [RunStatus.FAILED, "FAILED"],
    [RunStatus.CANCELLED, "CANCELLED"],
    [RunStatus.TIMED_OUT, "TIMED_OUT"],
  ] as const)("may be %s", (status, outcome) => {
    expect(abortedEndOf(asked(status))).toEqual({ outcome, cause: "internal", reason: "why" });
  });

  it.each([RunStatus.COMPLETED, RunStatus.RUNNING, RunStatus.UNSPECIFIED])("may not be %s", (status) => {
    expect(() => abortedEndOf(asked(status))).toThrow(UnsealableOutcomeError);
  });

  it("is named in the refusal", () => {
    expect(() => abortedEndOf(asked(RunStatus.COMPLETED))).toThrow(
      /RUN_STATUS_COMPLETED; it must be RUN_STATUS_FAILED/,
    );
  });
});
