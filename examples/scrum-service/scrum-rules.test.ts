import { describe, expect, it } from "vitest";
import type { Call, KeyState, KnownKey, Phase } from "./scrum-rules.ts";
import { rule } from "./scrum-rules.ts";

const now = new Date("2026-03-01T10:00:00Z");
const earlier = new Date("2026-03-01T09:00:00Z");
const later = new Date("2026-03-01T11:00:00Z");

const call = (phase: Phase, change: Partial<Call> = {}): Call => ({
  method: "RecordItemDone",
  phase,
  digest: `content of ${phase}`,
  expiresAt: later,
  ...change,
});

const known = (state: KeyState, seen: readonly Phase[], change: Partial<KnownKey> = {}): KnownKey => {
  const digest = (phase: Phase) => (seen.includes(phase) ? `content of ${phase}` : null);
  const digests = { try: digest("try"), confirm: digest("confirm"), cancel: digest("cancel") };
  return { method: "RecordItemDone", state, digests, expiresAt: later, ...change };
};

const short = (knownKey: KnownKey | undefined, asked: Call): string => {
  const ruling = rule(knownKey, asked, now);
  if (ruling.outcome === "becomes") return ruling.state;
  return ruling.outcome === "refused" ? ruling.code : ruling.outcome;
};

describe("a hand-off key", () => {
  it.each([
    ["unknown", undefined, ["TRIED", "not_found", "CANCELLED"]],
    ["tried", known("TRIED", ["try"]), ["as_before", "CONFIRMED", "CANCELLED"]],
    ["confirmed", known("CONFIRMED", ["try", "confirm"]), ["as_before", "as_before", "failed_precondition"]],
    ["cancelled", known("CANCELLED", ["try", "cancel"]), ["failed_precondition", "failed_precondition", "as_before"]],
    ["cancelled unknown", known("CANCELLED", ["cancel"]), ["failed_precondition", "failed_precondition", "as_before"]],
  ] as const)("that is %s goes on by its rules, phase by phase", (_, knownKey, [tried, confirmed, cancelled]) => {
    expect(short(knownKey, call("try"))).toBe(tried);
    expect(short(knownKey, call("confirm"))).toBe(confirmed);
    expect(short(knownKey, call("cancel"))).toBe(cancelled);
  });

  it.each(["try", "confirm", "cancel"] as const)("does not take other content for its %s", (phase) => {
    const state = { try: "TRIED", confirm: "CONFIRMED", cancel: "CANCELLED" } as const;
    const knownKey = known(state[phase], ["try", phase]);
    expect(short(knownKey, call(phase, { digest: "other content" }))).toBe("already_exists");
  });

  it("is never that of two methods", () => {
    expect(short(known("TRIED", ["try"]), call("confirm", { method: "RaiseImpediment" }))).toBe("already_exists");
  });

  it("is unknown again when its try expired, and known for ever once it is confirmed", () => {
    expect(short(known("TRIED", ["try"], { expiresAt: now }), call("confirm"))).toBe("not_found");
    expect(short(known("CONFIRMED", ["try", "confirm"], { expiresAt: earlier }), call("confirm"))).toBe("as_before");
  });

  it("is not tried when the try itself has expired", () => {
    expect(short(undefined, call("try", { expiresAt: earlier }))).toBe("failed_precondition");
    expect(short(undefined, call("try", { expiresAt: undefined }))).toBe("TRIED");
  });
});
