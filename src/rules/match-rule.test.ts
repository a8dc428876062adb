import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { RunRequestedSchema } from "../gen/automation/v1/run_requested_pb.ts";
import { ruleInputOf } from "./cel/rule-input.ts";
import { chooseDefinition } from "./match-rule.ts";

const rule = (id: string, profileId: string, definition: string) => ({ id, profileId, definition: { id: definition } });
const profile = { bindings: [{ workKind: "story", definitionId: "bound", channel: "stable" }] };
const request = { profile: { id: "team" }, workKind: "story" };
const input = ruleInputOf({
  event: { id: "evt-1", source: "jira", type: "automation.run.requested.v1", tenant: "acme", org: "retail" },
  request: create(RunRequestedSchema, { workKind: "story", parameters: { points: 8 } }),
  profile: undefined,
  references: { workItems: [{ kind: "backlog_item", id: "pbi-1" }] },
});
const of = { org: "retail", profile, input };
const chosen = (...[rules, asked, by]: Parameters<typeof chooseDefinition>) =>
  chooseDefinition(rules, asked, by).choice;

describe("the definition that a request means", () => {
  it("is the first matching rule's, whatever else is said", () => {
    const rules = [rule("other", "others", "no"), rule("first", "team", "ruled"), rule("second", "team", "late")];
    expect(chosen(rules, { ...request, definition: { id: "own" } }, of)).toEqual({
      rule: rules[1],
      definition: { id: "ruled" },
    });
  });

  it("is no rule's that is narrowed to other orgs", () => {
    const rules = [{ ...rule("theirs", "team", "no"), orgs: ["wholesale"] }, rule("all", "team", "ruled")];
    expect(chosen(rules, request, of)?.rule?.id).toBe("all");
    expect(chosen(rules, request, { ...of, org: "wholesale" })?.rule?.id).toBe("theirs");
  });

  it("is the event's own when no rule matches, with its version or channel", () => {
    const own = { ...request, definition: { id: "own", version: "2" } };
    expect(chosen([rule("other", "others", "no")], own, of)).toEqual({
      definition: { id: "own", version: "2" },
    });
  });

  it("is the profile's binding for the work kind when nothing else names one", () => {
    expect(chosen([], request, of)).toEqual({
      definition: { id: "bound", channel: "stable" },
    });
  });

  it("is the profile's binding, and not the event's, when the matching rule names none", () => {
    const bare = { id: "bare", profileId: "team", runPriority: 1 };
    const own = { ...request, definition: { id: "own" } };
    expect(chosen([bare], own, of)).toEqual({ rule: bare, definition: { id: "bound", channel: "stable" } });
    expect(chosen([bare], { ...own, workKind: "bug" }, of)).toBeUndefined();
  });

  it("is none when nobody means anything by it", () => {
    expect(chosen([], { ...request, workKind: "bug" }, of)).toBeUndefined();
    expect(chosen([], request, { ...of, profile: undefined })).toBeUndefined();
  });
});

describe("the condition of a rule", () => {
  const when = (id: string, condition: string) => ({ ...rule(id, "team", id), when: condition });
  const results = (rules: Parameters<typeof chooseDefinition>[0]) =>
    chooseDefinition(rules, request, of).tried.map(
      ({ ruleId, result }) => `${ruleId} ${result?.slice("RULE_RESULT_".length)}`,
    );

  it("decides whether it matches, and rules after the match are not tried", () => {
    const rules = [
      when("large", "request.parameters.points > 10"),
      { ...when("theirs", "true"), orgs: ["wholesale"] },
      when("item", 'references.work_items.exists(item, item.id == "pbi-1") && event.source == "jira"'),
      when("late", "true"),
    ];
    expect(results(rules)).toEqual(["large CONDITION_FALSE", "theirs OTHER_ORG", "item MATCHED"]);
    expect(chosen(rules, request, of)?.rule?.id).toBe("item");
  });

  it("that fails chooses nothing, whatever else names a definition", () => {
    const rules = [when("broken", "request.parameters.urgent == true"), rule("second", "team", "late")];
    expect(results(rules)).toEqual(["broken FAILED"]);
    expect(chooseDefinition(rules, { ...request, definition: { id: "own" } }, of)).toMatchObject({
      failed: { id: "broken", why: "at line 1, column 19: field not found: urgent" },
    });
    expect(chosen(rules, { ...request, definition: { id: "own" } }, of)).toBeUndefined();
  });

  it("of a rule in shadow is tried and told, and decides nothing, also when it fails or is dear", () => {
    const costly = `[${"0,".repeat(99)}0].all(x, [${"0,".repeat(99)}0].all(y, x == y))`;
    const rules = [
      { ...when("broken", "request.parameters.urgent == true"), shadow: true },
      { ...when("would", "true"), shadow: true },
      ...["a", "b", "c", "d"].map((id) => ({ ...when(id, costly), shadow: true })),
      when("decides", "request.parameters.points == 8"),
    ];
    const { tried, choice, failed } = chooseDefinition(rules, request, of);
    expect(tried.map(({ ruleId, result, shadow = false }) => [ruleId, result?.slice(12), shadow])).toEqual([
      ["broken", "FAILED", true],
      ["would", "MATCHED", true],
      ...["a", "b", "c", "d"].map((id) => [id, "FAILED", true]),
      ["decides", "MATCHED", false],
    ]);
    expect({ id: choice?.rule?.id, failed }).toEqual({ id: "decides", failed: undefined });
  });

  it("is paid from what all rules of the event have together", () => {
    const costly = `[${"0,".repeat(99)}0].all(x, [${"0,".repeat(39)}0].all(y, x == y))`;
    const rules = Array.from({ length: 20 }, (_, n) => when(`rule-${n}`, `!(${costly})`)).map((each, n) =>
      n < 19 ? { ...each, when: `${costly} && false` } : each,
    );
    const last = chooseDefinition(rules, request, of);
    expect(last.failed?.why).toContain("take more than 50000 steps on this event together");
    expect(last.tried.length).toBeLessThan(rules.length);
  });
});
