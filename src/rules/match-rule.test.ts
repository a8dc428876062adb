import { describe, expect, it } from "vitest";
import { chooseDefinition } from "./match-rule.ts";

const rule = (id: string, profileId: string, definition: string) => ({ id, profileId, definition: { id: definition } });
const profile = { bindings: [{ workKind: "story", definitionId: "bound", channel: "stable" }] };
const request = { profile: { id: "team" }, workKind: "story" };

describe("the definition that a request means", () => {
  it("is the first matching rule's, whatever else is said", () => {
    const rules = [rule("other", "others", "no"), rule("first", "team", "ruled"), rule("second", "team", "late")];
    expect(chooseDefinition(rules, { ...request, definition: { id: "own" } }, { org: "retail", profile })).toEqual({
      ruleId: "first",
      definition: { id: "ruled" },
    });
  });

  it("is no rule's that is narrowed to other orgs", () => {
    const rules = [{ ...rule("theirs", "team", "no"), orgs: ["wholesale"] }, rule("all", "team", "ruled")];
    expect(chooseDefinition(rules, request, { org: "retail", profile })?.ruleId).toBe("all");
    expect(chooseDefinition(rules, request, { org: "wholesale", profile })?.ruleId).toBe("theirs");
  });

  it("is the event's own when no rule matches, with its version or channel", () => {
    const own = { ...request, definition: { id: "own", version: "2" } };
    expect(chooseDefinition([rule("other", "others", "no")], own, { org: "retail", profile })).toEqual({
      definition: { id: "own", version: "2" },
    });
  });

  it("is the profile's binding for the work kind when nothing else names one", () => {
    expect(chooseDefinition([], request, { org: "retail", profile })).toEqual({
      definition: { id: "bound", channel: "stable" },
    });
  });

  it("is none when nobody means anything by it", () => {
    expect(chooseDefinition([], { ...request, workKind: "bug" }, { org: "retail", profile })).toBeUndefined();
    expect(chooseDefinition([], request, { org: "retail", profile: undefined })).toBeUndefined();
  });
});
