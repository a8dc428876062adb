import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { PolicySchema } from "../gen/automation/v1/policy_pb.ts";
import { RunEventSchema } from "../gen/automation/v1/run_event_pb.ts";
import { unknownFields } from "./unknown-fields.ts";

const pathsOf = (...asked: Parameters<typeof unknownFields>) => unknownFields(...asked).map(({ path }) => path);

describe("what a proto schema does not know", () => {
  it("is each field and each name of an enum, in lists and messages, and nothing else", () => {
    const event = {
      runId: "r",
      run_id2: 1,
      at: "2026-01-01T00:00:00Z",
      status: { status: "RUN_STATUS_PAUSED", outcome: 3 },
      verdict: { verdict: { lines: [{ state: "LINE_STATE_MET" }, { state: "LINE_STATE_ODD", weight: 1 }] } },
    };
    expect(pathsOf(RunEventSchema, event)).toEqual([
      "run_id2",
      "status.status",
      "verdict.verdict.lines.1.state",
      "verdict.verdict.lines.1.weight",
    ]);
    expect(pathsOf(PolicySchema, null)).toEqual([]);
    expect(pathsOf(PolicySchema, JSON.parse('{"__proto__":{},"constructor":1}'))).toEqual(["__proto__", "constructor"]);
  });

  it("is what the strict reader refuses", () => {
    const unknown: readonly JsonValue[] = [{ odd: 1 }, { status: { status: "RUN_STATUS_PAUSED" } }];
    for (const json of unknown) {
      expect(unknownFields(RunEventSchema, json)).toHaveLength(1);
      expect(() => fromJson(RunEventSchema, json)).toThrow();
      expect(() => fromJson(RunEventSchema, json, { ignoreUnknownFields: true })).not.toThrow();
    }
  });
});
