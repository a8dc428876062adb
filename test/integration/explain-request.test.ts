import { fromJson } from "@bufbuild/protobuf";
import type pg from "pg";
import pgClient from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ExplainRequest } from "../../src/admission/explain-request.ts";
import { createExplainRequest } from "../../src/admission/explain-request.ts";
import { explainLines } from "../../src/cli/show/explain-lines.ts";
import { createDecideByDeclarations } from "../../src/definitions/declarations.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { WorkflowRuleSchema } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { createAcceptCall } from "../../src/requests/accept-call.ts";
import { createPutRule } from "../../src/rules/put-rule.ts";
import { aPrincipal, aProfile, aRequest, declare, runs, scopeOf, workspaces } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery } from "../support/worlds/accepting.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: pg.Client;
let explain: ExplainRequest;
let accept: ReturnType<typeof acceptInto>;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pgClient.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  const inScope = createInScope(database.poolOf("api"));
  await declare(inScope, "acme");
  accept = acceptInto(database.poolOf("dispatcher"));
  explain = createExplainRequest({ inScope, workflowIdOf: (_tenant, runId) => `workflow-of-${runId}` });
});
afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const fromCall = aRequest();
const asked = (eventId: string, more: { requestId?: string; source?: string } = {}, scope = scopeOf("acme")) =>
  explain({ requestId: "", eventId, source: "", ...more }, scope);
/** As the command line tells it, without colours and times. */
const told = async (eventId: string) => explainLines(await asked(eventId)).join("\n");
const runOf = async (eventId: string): Promise<string> =>
  (await superuser.query("select run_id from runs where event_id = $1", [eventId])).rows[0].run_id;

describe("an explained event", () => {
  it("that became a run tells who named its definition, how the run stands, and what came later", async () => {
    const headers = { ce_time: "2026-01-31T12:00:00Z", ce_correlationid: "c-1", ce_causationid: "e-0" };
    await accept([
      aDelivery("evt-1", aRequest(), headers),
      aDelivery("evt-1"),
      aDelivery("evt-1", aRequest({ goal: "other" })),
    ]);
    const explained = await asked("evt-1");
    expect(explained).toMatchObject({
      delivery: { disposition: "DISPOSITION_ACCEPTED", eventId: "evt-1", runId: await runOf("evt-1") },
      eventTime: "2026-01-31T12:00:00.000Z",
      correlationId: "c-1",
      causationId: "e-0",
      run: { id: await runOf("evt-1"), status: "RUN_STATUS_QUEUED" },
    });
    expect(explained.later?.map(({ disposition }) => disposition).sort()).toEqual([
      "DISPOSITION_CONFLICT",
      "DISPOSITION_DUPLICATE",
    ]);
    const text = await told("evt-1");
    expect(text).toMatch(/is now +QUEUED/);
    expect(text).toMatch(/again +duplicate, .* at kafka:local/);
    const { delivery } = explained;
    expect(await asked("", { requestId: delivery?.requestId ?? "" })).toEqual(explained);
  });

  it("shows a later delivery that claims to be the same event and can't be read", async () => {
    await accept([aDelivery("evt-broken"), aDelivery("evt-broken", "{oops")]);
    await accept([aDelivery("evt-broken", "{oops", { ce_source: "urn:stranger" })]);
    const { later } = await asked("evt-broken");
    expect(later).toMatchObject([{ disposition: "DISPOSITION_QUARANTINED", reasons: [{ code: "not_json" }] }]);
    expect(await told("evt-broken")).toMatch(/again +quarantined, .* at kafka:local/);
  });

  it("that became a run tells who named its definition: a rule, the event itself or its profile", async () => {
    const inScope = createInScope(database.poolOf("api"));
    await declare(inScope, "acme", aProfile({ id: "routed" }));
    const rule = { id: "route", priority: 1, profileId: "routed", definition: { id: "evidence" } };
    const putRule = createPutRule({ inScope });
    const put = (more: object) => putRule(fromJson(WorkflowRuleSchema, { ...rule, ...more }), aPrincipal("acme"));
    await put({ id: "elsewhere", orgs: ["wholesale"], priority: 0 });
    await put({ id: "hidden", priority: 0, shadow: true });
    await put({ id: "large", when: 'request.goal.contains("large") && request.parameters.size > 1' });
    await put({});
    await accept([
      aDelivery("evt-ruled", aRequest({ profile: { id: "routed" } })),
      aDelivery("evt-failed", aRequest({ profile: { id: "routed" }, goal: "a large one" })),
      aDelivery("evt-own", aRequest({ definition: { id: "evidence" }, workKind: "other" })),
      aDelivery("evt-bound", aRequest({ definition: undefined, workKind: "story" })),
    ]);
    expect(await told("evt-ruled")).toMatch(/decided +accepted: evidence@1, named by rule route@1; judged by routed@1/);
    expect(await told("evt-ruled")).toMatch(
      /tried +rule elsewhere@1 is for other orgs\n *tried +rule hidden@1, in shadow, matches\n *tried +rule large@1 does not match: its condition is false\n *tried +rule route@1 matches\n *decided/,
    );
    expect(await told("evt-failed")).toMatch(
      /tried +rule large@1 failed at line 1, column 53: field not found: size\n *decided +quarantined: no run was made\n *because +rule_failed: .*correct the condition of rule "large", then replay/,
    );
    expect((await asked("evt-own")).rulesTried).toEqual([]);
    expect(await told("evt-own")).toMatch(/decided +accepted: evidence@1, named by the event; judged by team@1/);
    expect(await told("evt-bound")).toMatch(/evidence@1, named by the profile's binding for story; judged by team@1/);
  });

  it("whose run ended COMPLETED tells so, without a cause", async () => {
    await accept([aDelivery("evt-completed")]);
    await superuser.query("update runs set status = 'COMPLETED', ended_at = now() where event_id = 'evt-completed'");
    const text = await told("evt-completed");
    expect(text).toMatch(/ended +COMPLETED, .*, after \d+\.\d s/);
    expect(text).not.toMatch(/^(cause|reason|is now)/m);
  });

  it.each([
    [
      "filtered",
      aRequest({ workKind: "bug", definition: undefined }),
      /decided +filtered: no run was made\n *because +no_definition: /,
    ],
    [
      "rejected",
      aRequest({ definition: { id: "nowhere" } }),
      /decided +rejected: no run was made\n *because +unknown_definition: definition "nowhere.*publish it/,
    ],
    ["quarantined", { ...aRequest(), profile: 7 }, /decided +quarantined: no run was made\n *because +.*profile/],
  ])("that was %s tells why, with the remedy", async (disposition, data, line) => {
    await accept([aDelivery(`evt-${disposition}`, data)]);
    expect((await asked(`evt-${disposition}`)).run).toBeUndefined();
    expect(await told(`evt-${disposition}`)).toMatch(line);
  });

  it("whose data could not be read is found by what it claims", async () => {
    await accept([aDelivery("evt-unread", "{oops")]);
    expect(await asked("evt-unread", {}, { tenant: "acme", org: "*" })).toMatchObject({
      delivery: { disposition: "DISPOSITION_QUARANTINED", requestId: "", reasons: [{ code: "not_json" }] },
    });
  });

  it.each([
    ["FAILED", "verdict_failed", "the verdict did not pass"],
    ["CANCELLED", "cancelled", "by paula"],
    ["TIMED_OUT", "queue_limit_exceeded", "it waited for too long"],
  ])("whose run ended %s tells the cause and the reason", async (status, cause, reason) => {
    const eventId = `evt-${status}`;
    await accept([aDelivery(eventId)]);
    const runId = await runOf(eventId);
    await superuser.query("update runs set status = $2, reason = $3, ended_at = now() where run_id = $1", [
      runId,
      status,
      reason,
    ]);
    await superuser.query(
      `insert into seals (tenant, org, run_id, state, outcome, gate, cause, log_head, log_count, log_sha256)
       values ('acme', 'retail', $1, 'ABORTED', $2, 'done', $3, '', 1, '')`,
      [runId, status, cause],
    );
    await superuser.query(
      `insert into verdicts (tenant, org, run_id, gate, judgement, generation, profile_digest, verdict, judged_at)
       values ('acme', 'retail', $1, 'done', 'END', 1, '', '{}', now())`,
      [runId],
    );
    const text = await told(eventId);
    expect(text).toMatch(
      new RegExp(`ended +${status}, .*, after \\d+\\.\\d s\n *cause +${cause}\n *reason +${reason}`),
    );
  });

  it("whose run makes no progress tells what was found", async () => {
    await accept([aDelivery("evt-held")]);
    await superuser.query(
      `insert into reconciliations (tenant, org, run_id, generation, finding, detail) values ('acme', 'retail', $1, 1, 'start_refused', 'no such namespace')`,
      [await runOf("evt-held")],
    );
    expect(await told("evt-held")).toMatch(/no progress +start_refused since .*: no such namespace/);
  });

  it("id that several sources used is asked for with its source", async () => {
    await accept([aDelivery("evt-shared")]);
    const acceptCall = createAcceptCall({
      inScope: createInScope(database.poolOf("api")),
      decideByDeclarations: createDecideByDeclarations(),
      operator: { knownRoles: [], workspaces, runs },
      newId: () => crypto.randomUUID(),
      now: () => new Date(),
    });
    await acceptCall({ requestId: "evt-shared", requested: fromCall, trace: {} }, aPrincipal("acme"));
    await expect(asked("evt-shared")).rejects.toThrow(
      'event_id "evt-shared" was used by "api:ada", "urn:team"; name one of them as the source',
    );
    expect((await asked("evt-shared", { source: "api:ada" })).delivery?.source).toBe("api:ada");
  });

  it("is unknown to another org and tenant, and when it never came, with the same words", async () => {
    await accept([aDelivery("evt-theirs")]);
    const words = async (call: Promise<unknown>) =>
      call.then(
        () => "it was told",
        (error: Error) => error.message.replace(/"[^"]*"/, "ID"),
      );
    const never = await words(asked("evt-never"));
    expect(never).toMatch(/^event_id ID is not known here: .*request list.*delivery list/);
    expect(await words(asked("evt-theirs", {}, scopeOf("globex")))).toBe(never);
    expect(await words(asked("evt-theirs", {}, { tenant: "acme", org: "wholesale" }))).toBe(never);
    for (const requestId of ["none", crypto.randomUUID()])
      await expect(asked("", { requestId })).rejects.toThrow(/^request_id .* is not known here/);
  });
});
