import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { RunRequestedSchema } from "../../gen/automation/v1/run_requested_pb.ts";
import { compileCondition, compileText, fullBudget } from "./compile-expression.ts";
import { ruleInputOf } from "./rule-input.ts";

const items = "request.context.scrum.backlog_items";
const input = ruleInputOf({
  event: {
    id: "evt-1",
    source: "jira",
    type: "automation.run.requested.v1",
    tenant: "acme",
    org: "retail",
    time: "2026-03-01T23:30:00Z",
  },
  request: create(RunRequestedSchema, {
    profile: { id: "team" },
    workKind: "story",
    goal: "aab".repeat(5_461),
    priority: 2,
    parameters: {
      points: 5,
      labels: ["ui", "api"],
      nested: { deep: true },
      many: Array.from({ length: 20_000 }, (_, n) => n),
    },
    context: {
      method: {
        case: "scrum",
        value: { product: "shop", backlogItems: Array.from({ length: 98 }, (_, n) => `pbi-${n}`) },
      },
    },
  }),
  profile: { id: "team", version: "1", method: "scrum", roles: [{ role: "product_owner", holders: ["ann"] }] },
  references: { workItems: [{ kind: "backlog_item", id: "pbi-1" }] },
});
const holds = (source: string) => compileCondition(source).evaluate(input, fullBudget());

describe("an expression", () => {
  it.each([
    'event.tenant == "acme" && event.source.startsWith("ji")',
    'event.time < timestamp("2027-01-01T00:00:00Z")',
    'event.time.getHours("Europe/Berlin") == 0',
    'event.subject == "" && event.correlationid == ""',
    'request.work_kind in ["story", "bug"]',
    "request.priority == 2.0",
    'request.parameters.points > 3 && "ui" in request.parameters.labels && request.parameters.nested.deep',
    "has(request.parameters.points) && !has(request.parameters.urgent)",
    'request.parameters["points"] == 5',
    'request.repository.id == "" && !has(request.repository)',
    `${items}.filter(item, item.startsWith("pbi-1")).size() == 11`,
    `${items}.map(item, item.size()).exists(size, size == 6)`,
    'profile.roles.exists(each, each.role == "product_owner" && "ann" in each.holders)',
    'references.work_items.exists_one(each, each.kind == "backlog_item" && each.id == "pbi-1")',
    'request.goal.matches("^(aab)+$")',
    '"a-b-c".split("-")[1] == "b" && "AbC".lowerAscii() == "abc" && "abc".substring(1, 2) == "b"',
    'duration("90m") > duration("1h")',
  ])("%s is true of the event", (source) => {
    expect(holds(source)).toBe(true);
  });

  it("can be a text, such as what runs are counted by", () => {
    expect(compileText('request.context.scrum.product + "/" + request.work_kind').evaluate(input, fullBudget())).toBe(
      "shop/story",
    );
    expect(() => compileText("request.priority")).toThrow("the expression is of type int, and must be string");
  });

  it.each([
    [
      'request.gaol == ""',
      'line 1, column 8, before ".gaol == """: automation.v1.RunRequested has no field "gaol"; use one of definition,',
    ],
    ['request.priority == "3"', "a value of type int never equals one of type string; compare"],
    ['"a" in request.goal', "a value of type string has no members"],
    ["5 in request.context.scrum.goals", "a value of type int is never in a list(string)"],
    ["true &&\n  event.tenant", 'line 2, column 8, before ".tenant": a side of && is of type string, and must be bool'],
    [
      `${items}.map(item, item.size()).exists(size, size == "a")`,
      "a value of type int never equals one of type string",
    ],
    ["request.repository == null", "never equals one of type null_type"],
    ["request.goal", "the expression is of type string, and must be bool"],
    ['true ? true : "x"', "one side of : is of type bool, the other of type string"],
    ["nobody.knows", '"nobody" is not known here; use one of event, request, profile, references'],
    ["constructor == 1", '"constructor" is not known here'],
    ["now() > event.time", "there is no function now; use one of bool, charAt,"],
    ['1 + "a" == 2', "int + string does not exist; there is int + int,"],
    ["request.goal.startsWith(1)", "string.startsWith(int) does not exist; there is string.startsWith(string)"],
    ['request.goal.matches("(")', "the pattern of matches can't be used: error parsing regexp: missing closing )"],
    ["request.goal.matches(request.work_kind)", "the pattern of matches must be a literal text"],
    ["[request][0].parameters.points == 5", '"parameters" can only be read as request.parameters'],
    [`${items}.all(request, true)`, '"request" is what every rule sees; name the variable of the loop otherwise'],
    ["google.protobuf.Timestamp{} == event.time", "a rule makes no message google.protobuf.Timestamp"],
    ["99999999999999999999 > 1", "is larger than an int can be"],
    ["event.id ==", "column 10"],
    ['event.id = "a"', 'column 10, before "= "a"": found = but expecting'],
    ["  ", "found end of input"],
    ["/* x */ true", "found /"],
  ])("%s is refused with the place and what to do", (source, words) => {
    expect(() => compileCondition(source)).toThrow(words);
  });

  it.each([
    ["a text too long", `"${"x".repeat(4_100)}" == ""`, "has 4108 bytes and may have 4096"],
    ["brackets", `${"(".repeat(31)}true${")".repeat(31)}`, "column 31"],
    ["depth", `true${"?true:true".repeat(70)}`, "nested deeper than 60"],
    ["parts", `true${" || true".repeat(300)}`, "more than 500 parts"],
    ["loops in a row", `[1]${".map(x, x + x)".repeat(9)}.size() > 1`, "more than 8 loops"],
    ["loops in loops", `${items}.all(a, ${items}.all(b, ${items}.all(c, a == b)))`, "more than 2 loops are nested"],
    ["growing texts", `size("a"${'.replace("a", "aaaaaaaaaa")'.repeat(6)}) > 1`, "there is no function replace"],
    ["a large pattern", 'request.goal.matches("(a{30}){33}")', "compiles to 1058 instructions and may have 400"],
  ])("that is a bomb by %s is refused, with the place", (_, source, words) => {
    expect(() => compileCondition(source)).toThrow(words);
  });

  it.each([
    ["request.parameters.urgent", "at line 1, column 19: field not found: urgent"],
    ["true &&\n  1 / (request.priority - 2) == 1", "at line 2, column 4: int divide by zero"],
    ["request.parameters.points", "its value is not of type bool"],
    ["request.parameters.points.size() > 1", "column 26"],
    ['event.time > timestamp("soon")', "Failed to parse timestamp"],
    [`${items}[98] == ""`, "at line 1, column 1: index 98 out of bounds"],
  ])("%s fails on the event, with the place", (source, words) => {
    expect(() => holds(source)).toThrow(words);
  });

  it.each([
    `${items}.all(a, ${items}.all(b, request.goal.matches("(a|b)+")))`,
    `${items}.all(a, ${items}.all(b, request.goal.contains("z") == false))`,
    "request.parameters.many.all(a, request.parameters.many.exists(b, true))",
    "request.parameters.many.all(a, request.parameters.many.all(b, true)) || true",
    "request.parameters == {}",
    'request.goal.matches("(a|b)*a(a|b){100}$")',
    `[["a"]]${".map(x, [x, x, x, x, x, x, x, x, x, x, x, x])".repeat(7)} == [request.parameters.many]`,
  ])("%s is ended after its steps, whatever it would say", (source) => {
    const budget = fullBudget();
    expect(() => compileCondition(source).evaluate(input, budget)).toThrow(
      "it takes more than 20000 steps on this event",
    );
    expect(budget.steps).toBeGreaterThan(0);
  });

  it("makes no text and no list larger than an event", () => {
    expect(() => holds('(request.goal + request.goal + request.goal + request.goal + request.goal) == ""')).toThrow(
      "+ would make a text of 81915",
    );
    expect(() => holds(`[[1, 2, 3]]${".map(x, x + x + x + x + x + x + x + x + x)".repeat(7)} == [[1]]`)).toThrow(
      "+ would make a list of",
    );
  });

  it("that is called often stays within its steps each time", () => {
    const condition = compileCondition(`${items}.all(item, item.startsWith("pbi"))`);
    const first = fullBudget();
    condition.evaluate(input, first);
    const second = fullBudget();
    condition.evaluate(input, second);
    expect(second).toEqual(first);
  });
});
