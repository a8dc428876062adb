import type { JsonValue } from "@bufbuild/protobuf";
import { create, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import type { Pool } from "pg";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createDecideByDeclarations } from "../../src/definitions/declarations.ts";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import { RunRequestedSchema } from "../../src/gen/automation/v1/run_requested_pb.ts";
import { WorkflowRuleSchema } from "../../src/gen/workflows_runtime/v1/workflow_rule_pb.ts";
import { StartWorkflowRunRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { ConflictingRequestError, createAcceptCall, RejectedRequestError } from "../../src/requests/accept-call.ts";
import type { Delivery } from "../../src/requests/delivery.ts";
import { createStartRun } from "../../src/requests/start-run.ts";
import { createPutRule } from "../../src/rules/put-rule.ts";
import { textHeaders } from "../../src/runs/outbox/bus-record.ts";
import { aPrincipal, aProfile, aRequest, declare, runs, scopeOf, workspaces } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery, quarantined, quarantineRecords, toldOf } from "../support/worlds/accepting.ts";

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
let engines: BorrowedEngines;
let database: TestDatabase;
let dispatcher: Pool;
let api: Pool;
let superuser: pg.Client;
const now = () => new Date();

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  dispatcher = database.poolOf("dispatcher");
  api = database.poolOf("api");
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await declare(createInScope(api), "acme");
});

afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const acceptWith = () => acceptInto(dispatcher);

const runsOf = async (eventId: string) =>
  (await superuser.query("select * from runs where event_id = $1", [eventId])).rows;
const requestOf = async (eventId: string) =>
  (await superuser.query("select * from run_requests where event_id = $1", [eventId])).rows[0];

describe("a delivery from the bus", () => {
  it("of protobuf data is the same event as one of its proto JSON, and keeps that", async () => {
    const request = create(RunRequestedSchema, fromJson(RunRequestedSchema, aRequest() as JsonValue));
    const protobuf = { "content-type": "application/protobuf" };
    const accept = acceptWith();
    const counts = await accept([aDelivery("evt-proto", toBinary(RunRequestedSchema, request), protobuf)]);
    expect(counts).toMatchObject({ accepted: 1 });
    expect(await requestOf("evt-proto")).toMatchObject({ payload: toJson(RunRequestedSchema, request) });
    expect(await accept([aDelivery("evt-proto", toJson(RunRequestedSchema, request))])).toMatchObject({ duplicate: 1 });
  });

  it("becomes a run that is QUEUED, with its place in the queue, references, first event and outbox pointer", async () => {
    await acceptWith()([aDelivery("evt-1", aRequest(), { ce_traceparent: trace, ce_correlationid: "c-1" })]);
    const [run] = await runsOf("evt-1");
    expect(run).toMatchObject({
      tenant: "acme",
      status: "QUEUED",
      definition_id: "evidence",
      definition_version: "1",
      cadence_id: "S-7",
      traceparent: trace,
      correlation_id: "c-1",
    });
    const { rows: references } = await superuser.query(
      "select kind, id from run_references where run_id = $1 order by kind",
      [run.run_id],
    );
    expect(references).toEqual([
      { kind: "backlog_item", id: "PBI-1" },
      { kind: "product", id: "shop" },
      { kind: "sprint", id: "S-7" },
      { kind: "sprint_goal", id: "faster" },
    ]);
    const { rows: events } = await superuser.query("select sequence, event from run_events where run_id = $1", [
      run.run_id,
    ]);
    expect(events.map(({ event }) => event.status.status)).toEqual(["RUN_STATUS_QUEUED"]);
    const { rows: queue } = await superuser.query("select * from run_queue where run_id = $1", [run.run_id]);
    expect(queue).toEqual([
      {
        tenant: "acme",
        org: "retail",
        run_id: run.run_id,
        keys: [],
        rule_id: null,
        repository: null,
        fairness_key: "",
        lane: expect.any(String),
        priority: 3,
        queued_at: run.created_at,
        not_before: Number.NEGATIVE_INFINITY,
        claimed_until: null,
        started_at: null,
      },
    ]);
    const { rows: outbox } = await superuser.query("select kind, through_sequence from outbox where run_id = $1", [
      run.run_id,
    ]);
    expect(outbox).toEqual([{ kind: "run_events", through_sequence: 1 }]);
  });

  it("waits for the limits of the rule that chooses its definition", async () => {
    const putRule = createPutRule({ inScope: createInScope(api) });
    const rule = (orgs: string[]) =>
      fromJson(WorkflowRuleSchema, {
        id: "limited",
        profileId: aRequest().profile.id,
        definition: { id: "evidence" },
        orgs,
        fairness: { by: "QUEUE_LIMIT_SCOPE_PROFILE" },
        limits: [
          { id: "nightly", scope: "QUEUE_LIMIT_SCOPE_RULE", maxConcurrentRuns: 9 },
          { id: "all", scope: "QUEUE_LIMIT_SCOPE_TENANT", maxConcurrentRuns: 2 },
          { id: "no-repository", scope: "QUEUE_LIMIT_SCOPE_REPOSITORY", maxConcurrentRuns: 1 },
        ],
      });
    await putRule(rule([]), aPrincipal("acme"));
    await acceptWith()([aDelivery("evt-limited")]);
    await putRule(rule(["nobody"]), aPrincipal("acme"));
    const { rows } = await superuser.query(
      "select q.rule_id, q.keys, q.fairness_key from run_queue q join runs using (tenant, run_id) where event_id = 'evt-limited'",
    );
    expect(rows).toEqual([
      {
        rule_id: "limited",
        keys: ["all/tenant/acme", "nightly/rule/limited"],
        fairness_key: `profile/${aRequest().profile.id}`,
      },
    ]);
  });

  it("is quarantined by the rule whose condition fails on it, and its neighbours are decided", async () => {
    const putRule = createPutRule({ inScope: createInScope(api) });
    const rule = (when: string, orgs: string[] = []) =>
      fromJson(WorkflowRuleSchema, {
        ...{ id: "urgent", profileId: aRequest().profile.id, definition: { id: "evidence", version: "1" }, orgs },
        when,
      });
    await expect(putRule(rule('request.gaol == ""'), aPrincipal("acme"))).rejects.toThrow(
      'when at line 1, column 8, before ".gaol == """: automation.v1.RunRequested has no field "gaol"',
    );
    await putRule(rule("request.parameters.urgent"), aPrincipal("acme"));
    const asking = (id: string, parameters: object) => aDelivery(id, { ...aRequest(), parameters });
    const counts = await acceptWith()([
      asking("evt-urgent", { urgent: true }),
      asking("evt-unsaid", {}),
      asking("evt-calm", { urgent: false }),
    ]);
    await putRule(rule("true", ["nobody"]), aPrincipal("acme"));
    expect(counts).toMatchObject({ accepted: 2, quarantined: 1 });
    const ruleOf = async (id: string) => (await runsOf(id)).map(({ rule_id }) => rule_id);
    expect([await ruleOf("evt-urgent"), await ruleOf("evt-unsaid"), await ruleOf("evt-calm")]).toEqual([
      ["urgent"],
      [],
      [null],
    ]);
    expect(await requestOf("evt-unsaid")).toMatchObject({
      disposition: "quarantined",
      reasons: [
        {
          code: "rule_failed",
          field: "rules.urgent.when",
          value: "request.parameters.urgent",
          rule: "at line 1, column 19: field not found: urgent",
          remedy: expect.stringContaining('correct the condition of rule "urgent"'),
        },
      ],
    });
  });

  it("is a no-op when the same position comes again, a duplicate at another one, a conflict with another payload", async () => {
    const first = aDelivery("evt-2");
    const accept = acceptWith();
    expect(await accept([first])).toMatchObject({ accepted: 1 });
    await accept([first]);
    expect(await accept([aDelivery("evt-2")])).toMatchObject({ duplicate: 1, accepted: 0 });
    expect(await accept([aDelivery("evt-2", aRequest({ goal: "other" }))])).toMatchObject({ conflict: 1 });
    expect(await runsOf("evt-2")).toHaveLength(1);
    const { request_id } = await requestOf("evt-2");
    const { rows } = await superuser.query(
      "select disposition from deliveries where request_id = $1 order by received_at",
      [request_id],
    );
    expect(rows.map((row) => row.disposition)).toEqual(["duplicate", "conflict"]);
  });

  it("that conflicts is told to its tenant once, with the request that it conflicts with, the remedy, and the run if that is its org's", async () => {
    const accept = acceptWith();
    const first = aDelivery("evt-told");
    const other = aDelivery("evt-told", aRequest({ goal: "other" }), { ce_correlationid: "c-9" });
    const theirs = aDelivery("evt-told", aRequest(), { ce_orgid: "wholesale" });
    for (const _ of ["once", "again"]) await accept([first, aDelivery("evt-told"), other, theirs]);
    const told = await toldOf(superuser, "evt-told");
    const { request_id: requestId, run_id: runId } = await requestOf("evt-told");
    expect(told).toMatchObject([
      {
        key: requestId,
        attributes: { ce_type: "automation.run.conflict.v1", ce_subject: requestId, ce_correlationid: "c-9" },
        payload: {
          ...{ requestId, runId, org: "retail", source: "urn:team", eventType: "asked", position: other.position },
          reasons: [{ code: "conflict", field: "id", value: "evt-told", remedy: expect.stringContaining("new id") }],
        },
      },
      { key: requestId, attributes: { ce_orgid: "wholesale" }, payload: { requestId, runId: "", org: "wholesale" } },
    ]);
    expect(new Set(told.map(({ attributes }) => attributes.ce_id)).size).toBe(2);
  });

  it("is a delivery of its own when other bytes stand at a position that was seen before", async () => {
    const accept = acceptWith();
    const first = aDelivery("evt-at");
    const at = (delivery: Delivery): Delivery => ({ ...delivery, position: first.position });
    expect(await accept([first])).toMatchObject({ accepted: 1 });
    expect(await accept([at(aDelivery("evt-other"))])).toMatchObject({ accepted: 1 });
    expect(await accept([at(aDelivery("evt-at", aRequest(), { ce_subject: "again" }))])).toMatchObject({
      duplicate: 1,
    });
    expect(await accept([at(aDelivery("evt-at", aRequest({ goal: "other" })))])).toMatchObject({ conflict: 1 });
    const unreadable = [at(aDelivery("evt-at", "{")), at(aDelivery("evt-at", "{ another"))];
    for (const _ of ["once", "again"]) expect(await accept(unreadable)).toMatchObject({ quarantined: 2 });
    const { rows } = await superuser.query(
      `select disposition from deliveries where position = $1 and disposition <> 'quarantined'
       union all select code from ${quarantined} where position = $1
       union all select 'told' from ${quarantineRecords} where origin = $1`,
      [first.position],
    );
    expect(rows.map(({ disposition }) => disposition).toSorted()).toEqual([
      "conflict",
      "duplicate",
      "not_json",
      "not_json",
      "told",
      "told",
    ]);
  });

  it("of another org of the tenant is a conflict that knows no run, in one batch and later", async () => {
    const theirs = () => aDelivery("evt-org", aRequest(), { ce_orgid: "wholesale" });
    expect(await acceptWith()([aDelivery("evt-org"), theirs()])).toMatchObject({ accepted: 1, conflict: 1 });
    expect(await acceptWith()([theirs()])).toMatchObject({ conflict: 1, duplicate: 0 });
    expect((await runsOf("evt-org")).map(({ org }) => org)).toEqual(["retail"]);
    const { rows } = await superuser.query(
      "select org, disposition, run_id from deliveries where event_id = 'evt-org'",
    );
    expect(rows).toEqual(Array(2).fill({ org: "wholesale", disposition: "conflict", run_id: null }));
  });

  it("that holds a batch is its events: each has a disposition, a bad one does not hold up the others, and none is made again", async () => {
    const event = (id: string) => ({
      ...{ specversion: "1.0", id, source: "urn:team", type: "asked", tenantid: "acme", orgid: "retail" },
      data: aRequest(),
    });
    const bad = { ...event("batched-bad"), data: { ...aRequest(), profile: 7 } };
    const batch = {
      ...aDelivery("unused"),
      headers: textHeaders({ "content-type": "application/cloudevents-batch+json" }),
      body: Buffer.from(JSON.stringify([event("batched-1"), bad, 7, event("batched-2"), event("batched-1")])),
    };
    const counts = { accepted: 2, duplicate: 1, conflict: 0, filtered: 0, rejected: 0, quarantined: 2 };
    expect(await acceptWith()([batch])).toEqual(counts);
    const positions = [...(await runsOf("batched-1")), ...(await runsOf("batched-2"))].map(({ run_id: id }) => id);
    expect(positions).toHaveLength(2);
    expect((await requestOf("batched-2")).position).toBe(`${batch.position}#3`);
    await acceptWith()([batch]);
    const { rows } = await superuser.query(
      `select (select count(*)::int from run_requests where position like $1) as requests,
              (select count(*)::int from deliveries where position like $1) + (select count(*)::int from platform_deliveries where position like $1) as others,
              (select count(*)::int from ${quarantineRecords} where origin like $1) as quarantined`,
      [`${batch.position}#%`],
    );
    expect(rows).toEqual([{ requests: 3, others: 2, quarantined: 2 }]);
  });

  it("of one identity twice in a batch makes one run", async () => {
    const counts = await acceptWith()([
      aDelivery("evt-3"),
      aDelivery("evt-3"),
      aDelivery("evt-3", aRequest({ goal: "x" })),
    ]);
    expect(counts).toMatchObject({ accepted: 1, duplicate: 1, conflict: 1 });
    expect(await runsOf("evt-3")).toHaveLength(1);
  });

  it("of one identity from two dispatchers at once makes one run", async () => {
    const batches = Array.from({ length: 8 }, () => Array.from({ length: 50 }, (_, n) => aDelivery(`race-${n}`)));
    const counts = await Promise.all(batches.map((batch, n) => acceptWith()(n % 2 === 0 ? batch : batch.toReversed())));
    expect(counts.reduce((sum, each) => sum + each.accepted, 0)).toBe(50);
    expect(counts.reduce((sum, each) => sum + each.duplicate, 0)).toBe(350);
    const { rows } = await superuser.query("select count(*)::int as n from runs where event_id like 'race-%'");
    expect(rows[0].n).toBe(50);
  });

  it("is rejected with every reason at once, before any run, and says so on the bus", async () => {
    const data = aRequest({
      context: { scrum: { product: "shop" } },
      deadline: "2020-01-01T00:00:00Z",
      roleExpectations: [{ role: "architect" }],
      priority: 9,
    });
    const traced = { ce_correlationid: "c-4", ce_traceparent: trace, ce_tracestate: "a=1" };
    expect(await acceptWith()([aDelivery("evt-4", data, traced)])).toMatchObject({ rejected: 1 });
    const request = await requestOf("evt-4");
    expect(request.reasons.map((each: { code: string }) => each.code).toSorted()).toEqual(
      ["limit_passed", "invalid_field", "missing_reference", "missing_reference", "unmeetable_role"].toSorted(),
    );
    for (const each of request.reasons)
      expect(each).toMatchObject({
        field: expect.stringMatching(/./),
        rule: expect.stringMatching(/./),
        remedy: expect.stringMatching(/./),
      });
    expect(await runsOf("evt-4")).toEqual([]);
    expect(await toldOf(superuser, "evt-4")).toMatchObject([
      {
        tenant: "acme",
        key: request.request_id,
        attributes: { ...traced, ce_causationid: "evt-4", ce_type: "automation.run.rejected.v1", ce_orgid: "retail" },
        payload: { requestId: request.request_id, org: "retail", position: request.position, reasons: request.reasons },
      },
    ]);
  });

  it("that names an unknown definition or profile is rejected, and one that means nothing is filtered", async () => {
    const accept = acceptWith();
    const counts = await accept([
      aDelivery("evt-5", aRequest({ definition: { id: "nowhere" } })),
      aDelivery("evt-6", aRequest({ profile: { id: "nobody" }, definition: { id: "evidence" } })),
      aDelivery("evt-7", aRequest({ workKind: "bug" })),
    ]);
    expect(counts).toMatchObject({ rejected: 2, filtered: 1 });
    expect((await requestOf("evt-5")).reasons[0]).toMatchObject({
      code: "unknown_definition",
      value: "nowhere on channel stable",
    });
    expect((await requestOf("evt-6")).reasons[0]).toMatchObject({ code: "unknown_profile", value: "nobody" });
  });

  it("from a source that may not speak for its tenant or org is quarantined, and stands in the ledger of whom the source is bound to", async () => {
    const foreign: [string, string, Delivery][] = [
      ["", "foreign_source", aDelivery("evt-8", aRequest(), { ce_source: "urn:stranger" })],
      ["acme/retail", "foreign_tenant", aDelivery("evt-8", aRequest(), { ce_tenantid: "globex" })],
      ["acme/*", "foreign_org", aDelivery("evt-8", aRequest(), { ce_orgid: "export" })],
      ["acme/retail", "foreign_type", aDelivery("evt-8", aRequest(), { ce_type: "other" })],
    ];
    for (const _ of ["once", "again"])
      expect(await acceptWith()(foreign.map(([, , delivery]) => delivery))).toMatchObject({ quarantined: 4 });
    expect(await requestOf("evt-8")).toBeUndefined();
    const { rows } = await superuser.query(`select owner, code, event_id from ${quarantined} where event_id = 'evt-8'`);
    expect(rows).toHaveLength(4);
    for (const [owner, code] of foreign) expect(rows).toContainEqual({ owner, code, event_id: "evt-8" });
    const { rows: records } = await superuser.query(
      `select tenant, body from ${quarantineRecords} where origin = any($1) order by origin`,
      [foreign.map(([, , { position }]) => position)],
    );
    expect(records.map(({ tenant }) => tenant)).toEqual([null, "acme", "acme", "acme"]);
    expect(JSON.parse(records[0].body.toString())).toEqual(aRequest());
    const told = await toldOf(superuser, "evt-8");
    expect(told.map(({ payload }) => payload.position)).toEqual(foreign.slice(1).map(([, , each]) => each.position));
    expect(told).toMatchObject(
      foreign.slice(1).map(([owner, code]) => ({
        tenant: "acme",
        attributes: { ce_type: "automation.run.quarantined.v1", ce_tenantid: "acme", ce_causationid: "evt-8" },
        payload: { org: owner.slice("acme/".length), reasons: [{ code, remedy: expect.stringMatching(/./) }] },
      })),
    );
    for (const { key, attributes, payload } of told)
      expect([key, payload.requestId]).toEqual([attributes.ce_id, attributes.ce_id]);
  });

  it("that can't be read is quarantined with its cause", async () => {
    const bad: [string, Delivery][] = [
      ["not_json", aDelivery("bad", "{")],
      ["not_json", { ...aDelivery("bad"), body: Uint8Array.of(0xff, 0xfe) }],
      ["empty", { ...aDelivery("bad"), body: null }],
      ["missing_attribute", aDelivery("bad", aRequest(), { ce_id: "" })],
      ["invalid_attribute", aDelivery("bad", aRequest(), { ce_specversion: "0.3" })],
      ["invalid_attribute", aDelivery("bad", aRequest(), { ce_tenantid: "ACME!" })],
      ["invalid_data", aDelivery("bad", aRequest({ goal: "a\u0000b" }))],
      ["invalid_data", aDelivery("bad", aRequest({ goal: "\ud800" }))],
      ["too_large", aDelivery("bad", aRequest({ goal: "x".repeat(300_000) }))],
      ["unsupported_content_type", aDelivery("bad", aRequest(), { "content-type": "text/plain" })],
    ];
    const accept = acceptWith();
    for (const [cause, delivery] of bad) {
      expect(await accept([delivery])).toMatchObject({ quarantined: 1 });
      const { rows } = await superuser.query(`select owner, code from ${quarantined} where position = $1`, [
        delivery.position,
      ]);
      expect(rows).toEqual([{ owner: "acme/retail", code: cause }]);
    }
  });

  it("whose data is no run request is quarantined in its tenant's own ledger", async () => {
    expect(await acceptWith()([aDelivery("evt-9", { profile: 5 })])).toMatchObject({ quarantined: 1 });
    const request = await requestOf("evt-9");
    expect(request).toMatchObject({ disposition: "quarantined", tenant: "acme" });
    expect(await toldOf(superuser, "evt-9")).toMatchObject([
      {
        key: request.request_id,
        attributes: { ce_id: request.request_id, ce_type: "automation.run.quarantined.v1" },
        payload: { reasons: request.reasons },
      },
    ]);
  });

  it("of a newer minor version of its schema is accepted, and its request names the fields that were dropped", async () => {
    const newer = { ce_dataschema: "urn:automation:schema:run-requested:1.7" };
    const data = aRequest({
      colour: "red",
      context: { scrum: { product: "p", sprint: "s", backlogItems: ["b"], mood: 1 } },
    });
    expect(await acceptWith()([aDelivery("evt-newer", data, newer)])).toMatchObject({ accepted: 1 });
    expect(await requestOf("evt-newer")).toMatchObject({
      disposition: "accepted",
      dropped_fields: ["context.scrum.mood", "colour"],
      payload: { colour: "red" },
    });
    for (const [id, headers, code] of [
      ["evt-same", {}, "unknown_field"],
      ["evt-major", { ce_dataschema: "urn:automation:schema:run-requested:2.0" }, "unknown_data_schema"],
    ] as const) {
      expect(await acceptWith()([aDelivery(id, data, headers)])).toMatchObject({ quarantined: 1 });
      expect(await requestOf(id)).toMatchObject({
        disposition: "quarantined",
        reasons: [{ code }, ...(code === "unknown_field" ? [{ field: "data.colour" }] : [])],
      });
    }
  });

  it("in structured mode is the same event", async () => {
    const { position, ...delivery } = aDelivery("evt-10");
    const event = {
      specversion: "1.0",
      id: "evt-10",
      source: "urn:team",
      type: "asked",
      tenantid: "acme",
      orgid: "retail",
      data: aRequest(),
    };
    const structured = {
      ...delivery,
      position,
      headers: textHeaders({ "content-type": "application/cloudevents+json; charset=utf-8" }),
      body: Buffer.from(JSON.stringify(event)),
    };
    expect(await acceptWith()([structured])).toMatchObject({ accepted: 1 });
    expect(await acceptWith()([aDelivery("evt-10")])).toMatchObject({ duplicate: 1 });
  });

  it("that Postgres refuses is found in its batch and quarantined, and its neighbours become runs", async () => {
    await superuser.query("alter table run_requests add constraint narrow check (subject <> 'odd')");
    const odd = aDelivery("odd", aRequest(), { ce_subject: "odd" });
    const defects: unknown[] = [];
    const accept = acceptInto(dispatcher, { onDefect: (error) => defects.push(error) });
    const counts = await accept([aDelivery("evt-11"), odd, aDelivery("evt-12")]);
    expect(counts).toMatchObject({ accepted: 2, quarantined: 1 });
    const { rows } = await superuser.query(`select owner, code, reasons from ${quarantined} where position = $1`, [
      odd.position,
    ]);
    expect(rows).toMatchObject([{ owner: "acme/retail", code: "unstorable" }]);
    expect(JSON.stringify(rows)).not.toMatch(/narrow|run_requests|constraint/);
    expect(defects).toMatchObject([{ code: "23514", constraint: "narrow" }]);
    await superuser.query("alter table run_requests drop constraint narrow");
  });

  it("is decided by what is declared at that moment", async () => {
    const accept = acceptWith();
    const strict = aRequest({ profile: { id: "later" }, definition: { id: "evidence" } });
    expect(await accept([aDelivery("evt-13", strict)])).toMatchObject({ rejected: 1 });
    await declare(createInScope(api), "acme", aProfile({ id: "later" }));
    expect(await accept([aDelivery("evt-14", strict)])).toMatchObject({ accepted: 1 });
  });
});

describe("a request through the api", () => {
  const acceptCall = () =>
    createAcceptCall({
      inScope: createInScope(api),
      decideByDeclarations: createDecideByDeclarations(),
      operator: { knownRoles: [], workspaces, runs },
      newId: () => crypto.randomUUID(),
      now,
    });
  const startRun = () => createStartRun(acceptCall());
  const asked = (requestId: string, over: Record<string, unknown> = {}) =>
    create(StartWorkflowRunRequestSchema, { requestId, request: fromJson(RunRequestedSchema, aRequest(over)) });

  it("is the same request as on the bus: one run, then a duplicate, then a conflict", async () => {
    const first = await startRun()(asked("call-1"), aPrincipal("acme"), {});
    expect(first.disposition).toBe("accepted");
    expect(await startRun()(asked("call-1"), aPrincipal("acme"), {})).toEqual({
      runId: first.runId,
      disposition: "duplicate",
    });
    await expect(startRun()(asked("call-1", { goal: "other" }), aPrincipal("acme"), {})).rejects.toThrow(
      ConflictingRequestError,
    );
  });

  it("that can't become a run is refused with its reasons", async () => {
    const refused = startRun()(asked("call-2", { definition: { id: "nowhere" } }), aPrincipal("acme"), {});
    await expect(refused).rejects.toThrow(RejectedRequestError);
    await expect(refused).rejects.toMatchObject({ reasons: [{ code: "unknown_definition" }] });
  });
});

describe("row-level security", () => {
  it("shows a tenant nothing of another, and refuses to write under its name", async () => {
    const inScope = createInScope(api);
    await acceptWith()([aDelivery("evt-15")]);
    const seen = await inScope(scopeOf("globex"), (transaction) => transaction.query("select 1 from runs"));
    expect(seen.rows).toEqual([]);
    const write = inScope(scopeOf("globex"), (transaction) =>
      transaction.query("insert into declaration_revisions (tenant) values ('acme')"),
    );
    await expect(write).rejects.toMatchObject({ code: "42501" });
  });

  it("refuses a session that is bound to no tenant, or to no org", async () => {
    await expect(api.query("select * from runs")).rejects.toMatchObject({ code: "42501" });
    const unbound = createInScope(api)({ tenant: "acme", org: "" }, (transaction) =>
      transaction.query("select from runs"),
    );
    await expect(unbound).rejects.toMatchObject({ code: "42501", message: "no org is bound to this transaction" });
  });

  it("binds every table that has an org to it, and lets nobody write for every org", async () => {
    const inScope = createInScope(api);
    await acceptWith()([aDelivery("evt-16")]);
    const { rows } = await superuser.query(
      `select c.relname as name, pg_get_expr(p.polqual, p.polrelid) as reads, pg_get_expr(p.polwithcheck, p.polrelid) as writes
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'org' left join pg_policy p on p.polrelid = c.oid and p.polname = 'api'
       where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace and c.relname <> 'audit_log'`,
    );
    expect(rows.length).toBeGreaterThan(15);
    for (const { name, reads, writes } of rows) {
      if (name !== "event_identities")
        expect({ name, reads }).toMatchObject({ reads: expect.stringMatching(/current_org/) });
      expect({ name, writes }).toMatchObject({ writes: expect.stringMatching(/current_org.*org <> '\*'/) });
    }
    const update = inScope({ tenant: "acme", org: "*" }, (transaction) =>
      transaction.query("update runs set reason = 'x' where event_id = 'evt-16'"),
    );
    await expect(update).rejects.toMatchObject({ code: "42501" });
  });

  it("is forced on every table that has a tenant", async () => {
    const { rows } = await superuser.query(
      `select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
       where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace and not (c.relrowsecurity and c.relforcerowsecurity)`,
    );
    expect(rows).toEqual([]);
  });
});
