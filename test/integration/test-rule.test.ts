import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ruleTestLines } from "../../src/cli/show/rule-test-lines.ts";
import { createDecideByDeclarations } from "../../src/definitions/declarations.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import type { WorkflowRuleJson } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { WorkflowRuleSchema } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { createTestRule } from "../../src/requests/test-rule.ts";
import { createPutRule } from "../../src/rules/put-rule.ts";
import type { InScope } from "../../src/tenancy/transaction.ts";
import { aPrincipal, aProfile, aRequest, declare, runs, scopeOf, workspaces } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery } from "../support/worlds/accepting.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: pg.Client;
let inScope: InScope;

const tenant = "acme";
const asking = (id: string, more: { readonly [key: string]: JsonValue }) =>
  aDelivery(id, aRequest({ definition: undefined, ...more }));

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  inScope = createInScope(database.poolOf("api"));
  await declare(inScope, tenant);
  await declare(inScope, tenant, aProfile({ id: "other" }));
  await acceptInto(database.poolOf("dispatcher"))([
    asking("evt-story", { workKind: "story", parameters: { points: 3 } }),
    asking("evt-bug", { workKind: "bug", parameters: { points: 8 } }),
    asking("evt-unsaid", { workKind: "bug" }),
    asking("evt-other", { workKind: "story", profile: { id: "other" }, parameters: { points: 8 } }),
    aDelivery("evt-unread", { ...aRequest(), profile: 7 }),
  ]);
});
afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const draft = (over: WorkflowRuleJson = {}) =>
  fromJson(WorkflowRuleSchema, { id: "large", profileId: "team", definition: { id: "evidence" }, ...over });
const testRule = (
  over: WorkflowRuleJson,
  { since = new Date(0), until = new Date(Date.now() + 60_000), pageSize = 0, pageToken = "" } = {},
  scope = scopeOf(tenant),
) =>
  createTestRule({
    inScope,
    decideByDeclarations: createDecideByDeclarations(),
    operator: { knownRoles: [], workspaces, runs },
    now: () => new Date(),
  })(
    { rule: draft(over), since: timestampFromDate(since), until: timestampFromDate(until), pageSize, pageToken },
    scope,
  );
const countsOf = ({ examined = 0, matched = 0, failed = 0, changes = [] }: Awaited<ReturnType<typeof testRule>>) => ({
  ...{ examined, matched, failed },
  changed: changes.map(({ eventId }) => eventId).toSorted(),
});

describe("a draft of a rule that is tested", () => {
  it("tells what it would change about recorded requests, and on which it would fail, and changes nothing", async () => {
    const rowsOf = async () =>
      (await superuser.query("select count(*) from run_requests union all select count(*) from runs")).rows;
    const before = await rowsOf();
    const tested = await testRule({ when: "request.parameters.points > 5", runPriority: 1 });
    expect(countsOf(tested)).toEqual({ examined: 5, matched: 1, failed: 1, changed: ["evt-bug", "evt-unsaid"] });
    const changeOf = (id: string) => tested.changes?.find(({ eventId }) => eventId === id);
    expect(changeOf("evt-bug")).toMatchObject({
      before: { disposition: "DISPOSITION_FILTERED", reasons: [{ code: "no_definition" }] },
      after: { disposition: "DISPOSITION_ACCEPTED", ruleId: "large", definitionId: "evidence", priority: 1 },
    });
    expect(changeOf("evt-unsaid")?.after).toMatchObject({
      disposition: "DISPOSITION_QUARANTINED",
      reasons: [{ code: "rule_failed", rule: "at line 1, column 19: field not found: points" }],
    });
    expect(ruleTestLines(tested).join("\n")).toMatch(
      /requests +5\n *match +1\n *fail +1: they would be quarantined\n *would change +1: filtered → quarantined\n *would change +1: filtered → accepted\n\n.*\n(.*\n)*.*evt-bug +filtered: no_definition.*evidence@1 by rule large, priority 1/,
    );
    expect(await rowsOf()).toEqual(before);
  });

  it("takes the place of the rule with its id, among the others in their order", async () => {
    const put = (over: WorkflowRuleJson) => createPutRule({ inScope })(draft(over), aPrincipal(tenant));
    await put({ priority: 5, when: 'request.work_kind == "bug"' });
    await put({ id: "later", priority: 9, when: "true", runPriority: 4 });
    const same = await testRule({ priority: 5, when: 'request.work_kind == "bug"' });
    expect(countsOf(same)).toEqual({ examined: 5, matched: 2, failed: 0, changed: [] });
    const behind = await testRule({ priority: 10, when: 'request.work_kind == "bug"' });
    expect(countsOf(behind)).toEqual({ examined: 5, matched: 0, failed: 0, changed: ["evt-bug", "evt-unsaid"] });
    const elsewhere = await testRule({
      priority: 5,
      profileId: "other",
      limits: [{ id: "few", scope: "QUEUE_LIMIT_SCOPE_RULE", maxConcurrentRuns: 1 }],
    });
    expect(countsOf(elsewhere)).toMatchObject({ matched: 1, changed: ["evt-bug", "evt-other", "evt-unsaid"] });
  });

  it("is decided page by page, within the time span and the org, and refused like a rule that is put", async () => {
    const all = [];
    let pageToken = "";
    do {
      const page = await testRule({ id: "first", when: "true", runPriority: 2 }, { pageSize: 2, pageToken });
      expect(page.examined).toBeLessThanOrEqual(2);
      all.push(...(page.changes ?? []).map(({ eventId }) => eventId));
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
    expect(all.toSorted()).toEqual(["evt-bug", "evt-story", "evt-unsaid"]);
    expect(countsOf(await testRule({}, { since: new Date(Date.now() + 60_000) })).examined).toBe(0);
    expect(countsOf(await testRule({}, { until: new Date(0) })).examined).toBe(0);
    for (const scope of [{ tenant, org: "wholesale" }, scopeOf("globex")])
      expect(countsOf(await testRule({}, {}, scope)).examined).toBe(0);
    await expect(testRule({ when: "request.gaol" })).rejects.toThrow("when at line 1, column 8");
  });
});
