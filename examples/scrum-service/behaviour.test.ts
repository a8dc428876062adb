import { describe, expect, it } from "vitest";
import { BadInputError, parseBody } from "./bad-input.ts";
import { behaviourRemedy, behaviourSchema, createBehaviours } from "./behaviour.ts";

const parse = (body: unknown) => parseBody(behaviourSchema, body, behaviourRemedy);

describe("a told behaviour", () => {
  it("applies to its method and phase, for as many calls as it was told for", () => {
    const behaviours = createBehaviours();
    behaviours.tell(parse({ method: "RecordItemDone", phase: "try", action: "refuse", reason: "no", calls: 2 }));
    const actions = (method: string, phase: "try" | "confirm") =>
      behaviours.take(method, phase).map(({ action }) => action);
    expect(actions("RaiseImpediment", "try")).toEqual([]);
    expect(actions("RecordItemDone", "confirm")).toEqual([]);
    expect(actions("RecordItemDone", "try")).toEqual(["refuse"]);
    expect(actions("RecordItemDone", "try")).toEqual(["refuse"]);
    expect(actions("RecordItemDone", "try")).toEqual([]);
  });

  it("without a number of calls lasts until it is cleared, and goes together with others", () => {
    const behaviours = createBehaviours();
    behaviours.tell(parse({ action: "delay", delayMs: 5 }));
    behaviours.tell(parse({ action: "lose_reply", calls: 1 }));
    expect(behaviours.take("RecordItemDone", "try")).toHaveLength(2);
    expect(behaviours.take("RaiseImpediment", "cancel")).toHaveLength(1);
    behaviours.clear();
    expect(behaviours.take("RaiseImpediment", "cancel")).toEqual([]);
  });

  it.each([
    ["an unknown action", { action: "explode" }, "action", "explode"],
    ["an unknown method", { action: "forget", method: "Plan" }, "method", "Plan"],
    ["a delay without a length", { action: "delay" }, "delayMs", undefined],
    ["a stray field", { action: "forget", delayMs: 3 }, "delayMs", 3],
    ["no object", "refuse", "body", "refuse"],
  ])("with %s is refused with the field, its value and what to send", (_, body, field, value) => {
    const parsing = () => parse(body);
    expect(parsing).toThrow(BadInputError);
    expect(parsing).toThrow(expect.objectContaining({ field, value, remedy: behaviourRemedy }));
  });
});
