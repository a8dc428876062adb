import { fromJson } from "@bufbuild/protobuf";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createExplainRequest } from "../../src/admission/explain-request.ts";
import { explainLines } from "../../src/cli/show/explain-lines.ts";
import { createDecideByDeclarations } from "../../src/definitions/declarations.ts";
import { createPublishVersion } from "../../src/definitions/publish-definition.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { WorkflowRuleSchema } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { PublishWorkflowVersionRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { createAcceptCall, RejectedRequestError } from "../../src/requests/accept-call.ts";
import type { AcceptRequests } from "../../src/requests/accept-requests.ts";
import { createReplayRequest } from "../../src/requests/replay-request.ts";
import { runIdOf } from "../../src/requests/request-identity.ts";
import { createPutRule } from "../../src/rules/put-rule.ts";
import type { Principal } from "../../src/tenancy/request-context.ts";
import type { InScope } from "../../src/tenancy/transaction.ts";
import { aPrincipal, aProfile, aRequest, declare, runs, workspaces } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery, toldOf } from "../support/worlds/accepting.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let inScope: InScope;
let accept: AcceptRequests;
let superuser: pg.Client;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  inScope = createInScope(database.poolOf("api"));
  accept = acceptInto(database.poolOf("dispatcher"));
  await declare(inScope, "acme");
});
afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const deciding = () => ({
  inScope,
  decideByDeclarations: createDecideByDeclarations(),
  operator: { knownRoles: [], workspaces, runs },
  newId: () => crypto.randomUUID(),
  now: () => new Date(),
});
const replay = (eventId: string, more: { dryRun?: boolean; requestId?: string } = {}, who = aPrincipal("acme")) =>
  createReplayRequest(deciding())({ requestId: "", eventId, source: "", dryRun: false, ...more }, who);
const explain = (eventId: string) =>
  createExplainRequest({ inScope, workflowIdOf: () => "" })({ requestId: "", eventId, source: "" }, aPrincipal("acme"));
const publishVersion = (definitionId: string) =>
  createPublishVersion({ inScope })(
    fromJson(PublishWorkflowVersionRequestSchema, { definitionId, version: "1", channel: "stable", plan: {} }),
    aPrincipal("acme"),
  );
const putRule = (rule: object) =>
  createPutRule({ inScope })(
    fromJson(WorkflowRuleSchema, { definition: { id: "evidence" }, ...rule }),
    aPrincipal("acme"),
  );
const decisionsOf = async (eventId: string) =>
  (
    await superuser.query<{ decision: number; disposition: string; request_id: string; run_id: string | null }>(
      "select decision, disposition, request_id, run_id from run_requests where event_id = $1 order by decision",
      [eventId],
    )
  ).rows;
const runsOf = async (eventId: string) =>
  (await superuser.query("select * from runs where event_id = $1", [eventId])).rows;
const codesOf = (call: Promise<unknown>) =>
  call.then(
    () => ["none"],
    (error: unknown) =>
      error instanceof RejectedRequestError ? error.reasons.map(({ code }) => code) : [String(error)],
  );

describe("a request that is replayed", () => {
  it("becomes a run once what it needs is declared, in a decision of its own, and its repetition is told that run", async () => {
    const event = aDelivery("later", aRequest({ definition: { id: "later" } }), { ce_correlationid: "c-1" });
    await accept([event]);
    expect((await explain("later")).delivery).toMatchObject({ disposition: "DISPOSITION_REJECTED" });
    await publishVersion("later");
    const runId = runIdOf({ tenant: "acme", source: "urn:team", eventId: "later" }, 1);
    expect(await replay("later")).toMatchObject({
      before: { disposition: "DISPOSITION_REJECTED" },
      now: { disposition: "DISPOSITION_ACCEPTED", runId, reasons: [] },
      recorded: true,
      definitionId: "later",
      definitionVersion: "1",
    });
    const [first, second, ...more] = await decisionsOf("later");
    expect([first?.decision, second, more]).toEqual([
      0,
      {
        decision: 1,
        disposition: "accepted",
        request_id: expect.not.stringMatching(first?.request_id ?? ""),
        run_id: runId,
      },
      [],
    ]);
    expect(await runsOf("later")).toMatchObject([
      { run_id: runId, status: "QUEUED", request_id: second?.request_id, correlation_id: "c-1", source: "urn:team" },
    ]);
    const { rows } = await superuser.query(
      "select (select count(*)::int from run_queue where run_id = $1) as queued, (select count(*)::int from outbox where run_id = $1) as told",
      [runId],
    );
    expect(rows).toEqual([{ queued: 1, told: 1 }]);
    expect(await accept([aDelivery("later", aRequest({ definition: { id: "later" } }))])).toMatchObject({
      duplicate: 1,
    });
    const explained = await explain("later");
    expect(explained).toMatchObject({
      delivery: { disposition: "DISPOSITION_REJECTED" },
      replays: [{ delivery: { disposition: "DISPOSITION_ACCEPTED", runId } }],
      later: [{ disposition: "DISPOSITION_DUPLICATE", runId }],
      run: { id: runId },
    });
    expect(explainLines(explained).join("\n")).toMatch(
      /decided +rejected: no run was made\n *because +unknown_definition.*\n(.*\n)*replayed +\S+Z, accepted: later@1, named by the event/,
    );
  });

  it("has one run, however often and by however many it is replayed", async () => {
    await accept([aDelivery("once", aRequest({ definition: { id: "once" } }))]);
    await publishVersion("once");
    const codes = await Promise.all(Array.from({ length: 8 }, () => codesOf(replay("once"))));
    expect(codes.filter(([code]) => code === "none")).toHaveLength(1);
    expect(new Set(codes.flat())).toEqual(
      new Set(["none", ...codes.flat().filter((code) => /^(has_run|decided_meanwhile)$/.test(code))]),
    );
    const [{ run_id: runId }] = await runsOf("once");
    expect(await runsOf("once")).toHaveLength(1);
    await expect(replay("once")).rejects.toMatchObject({
      reasons: [
        {
          code: "has_run",
          rule: `has run ${runId}, and a request has one run`,
          remedy: expect.stringContaining("rerun"),
        },
      ],
    });
    await expect(
      superuser.query(
        `insert into run_requests (tenant, request_id, org, source, event_id, event_type, decision, disposition, run_id, position, payload)
         select tenant, gen_random_uuid(), org, source, event_id, event_type, 2, disposition, gen_random_uuid(), position, payload
         from run_requests where event_id = 'once' and decision = 1`,
      ),
    ).rejects.toThrow(/run_requests_replayed_once/);
  });

  it("that was filtered, or on which a rule failed, is decided by the rules of now", async () => {
    await declare(inScope, "acme", aProfile({ id: "ruled" }));
    const of = { profile: { id: "ruled" }, definition: undefined, workKind: "chore" };
    await accept([aDelivery("filtered", aRequest(of))]);
    expect((await explain("filtered")).delivery?.disposition).toBe("DISPOSITION_FILTERED");
    await putRule({ id: "odd", priority: 1, profileId: "ruled", when: "request.goal.substring(100) == ''" }).catch(() =>
      putRule({ id: "odd", priority: 1, profileId: "ruled", when: "int(request.goal) > 1" }),
    );
    expect(await replay("filtered")).toMatchObject({
      now: { disposition: "DISPOSITION_QUARANTINED", reasons: [{ code: "rule_failed" }] },
      recorded: true,
      rulesTried: [{ ruleId: "odd", result: "RULE_RESULT_FAILED" }],
    });
    await putRule({ id: "odd", priority: 1, profileId: "ruled", when: "request.work_kind == 'chore'" });
    const done = await replay("filtered");
    expect(done).toMatchObject({ now: { disposition: "DISPOSITION_ACCEPTED" }, definitionId: "evidence" });
    expect((await decisionsOf("filtered")).map(({ disposition }) => disposition)).toEqual([
      "filtered",
      "quarantined",
      "accepted",
    ]);
    expect((await runsOf("filtered")).map(({ rule_id }) => rule_id)).toEqual(["odd"]);
  });

  it("is not recorded when it comes to the same, or for a dry run", async () => {
    await accept([
      aDelivery("same", aRequest({ definition: { id: "never" } })),
      aDelivery("dry", { ...aRequest(), profile: 7 }),
    ]);
    expect(await replay("same")).toMatchObject({
      now: { disposition: "DISPOSITION_REJECTED", requestId: "" },
      recorded: false,
    });
    expect(await replay("dry")).toMatchObject({ now: { disposition: "DISPOSITION_QUARANTINED" }, recorded: false });
    await publishVersion("never");
    expect(await replay("same", { dryRun: true })).toMatchObject({
      now: { disposition: "DISPOSITION_ACCEPTED", requestId: "", runId: "", position: "" },
      recorded: false,
      definitionId: "never",
    });
    expect(await decisionsOf("same")).toHaveLength(1);
    expect(await runsOf("same")).toEqual([]);
  });

  it("and is rejected for another reason is told on the bus under its new id", async () => {
    const data = aRequest({ definition: { id: "soon" }, deadline: "2020-01-01T00:00:00Z" });
    await accept([aDelivery("worse", data)]);
    await publishVersion("soon");
    expect(await replay("worse")).toMatchObject({ now: { reasons: [{ code: "limit_passed" }] }, recorded: true });
    const ids = (await decisionsOf("worse")).map(({ request_id: id }) => id);
    const told = await toldOf(superuser, "worse");
    expect(told.map(({ key, payload }) => [key, payload.reasons.length])).toEqual([
      [ids[0], 2],
      [ids[1], 1],
    ]);
    expect(told[1]?.payload.position).toMatch(/^replay:/);
    expect(await replay("", { requestId: ids[0] })).toMatchObject({ before: { requestId: ids[1] }, recorded: false });
  });

  it.each<[string, string, (eventId: string) => Promise<unknown>]>([
    [
      "was a call",
      "was_answered",
      (requestId) =>
        codesOf(
          createAcceptCall(deciding())(
            { requestId, requested: aRequest({ definition: { id: "none" } }), trace: {} },
            aPrincipal("acme"),
          ),
        ),
    ],
    ["could not be read", "not_kept", (id) => accept([aDelivery(id, "{oops")])],
    ["has a run", "has_run", (id) => accept([aDelivery(id)])],
  ])("is refused when it %s", async (_what, code, make) => {
    await make(code);
    expect(await codesOf(replay(code))).toEqual([code]);
    expect(await decisionsOf(code)).toHaveLength(code === "not_kept" ? 0 : 1);
  });

  it("is unknown when there is none, and to others than its tenant and org", async () => {
    await accept([aDelivery("theirs", aRequest({ definition: { id: "none" } }))]);
    const others: Principal[] = [aPrincipal("globex"), { ...aPrincipal("acme"), org: "wholesale" }];
    for (const who of others) await expect(replay("theirs", {}, who)).rejects.toThrow(/is not known here/);
    await expect(replay("nothing")).rejects.toThrow(/event_id "nothing" is not known here/);
    await expect(replay("", { requestId: "x" })).rejects.toThrow(/request_id "x" is not known here/);
  });
});
