import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import type { Transport } from "@connectrpc/connect";
import { Code, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ReasonSchema, RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { RefusalPolicy } from "../../src/gen/governance/v1/profile_pb.ts";
import { Disposition } from "../../src/gen/workflows_runtime/v1/delivery_pb.ts";
import { QueueLimitScope } from "../../src/gen/workflows_runtime/v1/queue_limit_pb.ts";
import type { Run } from "../../src/gen/workflows_runtime/v1/run_pb.ts";
import { WorkflowService } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";
import type { ApiClient, Claims, Post, RunningApi } from "../support/worlds/api.ts";
import {
  declare,
  errorOf,
  postJson,
  profileOf,
  scope,
  startApi,
  startCapabilityOf,
  startRun,
} from "../support/worlds/api.ts";

let engines: TestEngines;
let api: RunningApi;
let acme: ApiClient;
let globex: ApiClient;

beforeAll(async () => {
  engines = await startEngines({ postgres: true, s3: true });
  api = await startApi("", async () => engines);
  acme = await api.clientOf();
  globex = await api.clientOf({ tenant: "globex" });
  await Promise.all([declare(acme), declare(globex)]);
});
afterAll(() => api?.stop());

const post: Post = (...call) => postJson(api.url, ...call);
const bearer = async (claims?: Claims) => ({ authorization: `Bearer ${await api.token(claims)}` });

describe("a call", () => {
  it.each<[string, (url: string) => Transport]>([
    ["Connect with JSON", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false })],
    ["Connect with GET", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true })],
    ["Connect over HTTP/2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
    ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
    ["gRPC-web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ])("is answered over %s on the one port", async (_, transport) => {
    const client = createClient(WorkflowService, transport(api.url));
    const { definitions } = await client.listWorkflowDefinitions({}, { headers: { ...scope, ...(await bearer()) } });
    expect(definitions).toMatchObject([{ id: "evidence", channels: [{ channel: "stable", version: "1" }] }]);
  });

  it("is told every broken rule at once, with field, value, rule and remedy", async () => {
    const request = { workKind: "No!", priority: 9 };
    const error = await errorOf(acme.workflows.startWorkflowRun({ requestId: "", request }));
    expect(error.code).toBe(Code.InvalidArgument);
    const reasons = error.findDetails(ReasonSchema);
    expect(reasons.map((reason) => reason.field)).toEqual(
      expect.arrayContaining([
        "request_id",
        "request.profile",
        "request.context",
        "request.work_kind",
        "request.priority",
      ]),
    );
    expect(reasons.find((reason) => reason.field === "request.work_kind")).toMatchObject({ value: "No!" });
    for (const reason of reasons) expect(reason.rule && reason.remedy).not.toBe("");
  });

  it("is told in words what is wrong with what it sent", async () => {
    const headers = { ...scope, ...(await bearer()) };
    const list = (body: unknown) => post("workflows_runtime.v1.WorkflowService/ListWorkflowRuns", body, headers);
    expect((await list("{")).body.code).toBe("invalid_argument");
    expect((await list({ pageSize: "many" })).body.code).toBe("invalid_argument");
    expect((await list({ pageSize: 201 })).body.message).toMatch(/page_size "201"/);
    expect((await list({ profileId: "a\0b" })).body).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/NUL/),
    });
    const large = await list({ profileId: "x".repeat(6 * 1024 * 1024) });
    expect(large.body).toMatchObject({ code: "resource_exhausted", message: expect.stringMatching(/6291456/) });
    const late = await post(
      "workflows_runtime.v1.WorkflowService/ListWorkflowRuns",
      {},
      { ...headers, "connect-timeout-ms": "9999999" },
    );
    expect(late.body).toMatchObject({ code: "invalid_argument", message: expect.stringMatching(/3600000/) });
    expect((await post("workflows_runtime.v1.WorkflowService/Nothing", {}, headers)).status).toBe(404);
    const heavy = await fetch(`${api.url}/healthz`, { headers: { "x-much": "x".repeat(17_000) } });
    expect(heavy.status).toBe(431);
  });

  it("survives clients that speak nonsense", async () => {
    const [host, port] = new URL(api.url).host.split(":");
    for (const bytes of ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense, not frames", "\0\0\0", "GET / nonsense\r\n\r\n"]) {
      await new Promise<void>((done) => {
        const socket = connect(Number(port), host);
        socket.on("error", () => undefined);
        socket.on("close", () => done());
        socket.on("data", () => undefined);
        socket.end(bytes, "latin1");
      });
    }
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  });

  it("has a correlation id: the caller's own, else a new one", async () => {
    const headers = { ...scope, ...(await bearer()) };
    const list = (more: Record<string, string>) =>
      post("workflows_runtime.v1.WorkflowService/ListWorkflowRuns", {}, { ...headers, ...more });
    expect((await list({ "x-correlation-id": "mine-1" })).headers.get("x-correlation-id")).toBe("mine-1");
    expect((await list({ "x-correlation-id": "not mine" })).headers.get("x-correlation-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("leaves one audit record when it changes something or wanted to, and none when it reads", async () => {
    const operator = await api.clientOf({ tenant: "audited", roles: ["operator"], sub: "oskar" });
    await operator.workflows.listWorkflowRuns({});
    await errorOf(operator.workflows.cancelWorkflowRun({ runId: randomUUID() }));
    await errorOf(operator.workflows.startWorkflowRun({ requestId: "" }));
    await errorOf(operator.workflows.putWorkflowRule({}));
    const admin = await api.clientOf({ tenant: "audited", sub: "ada" });
    await admin.workflows.publishWorkflowVersion({ definitionId: "d", version: "1", plan: {} });
    const { rows } = await api.admin.query(
      "select org, principal, action, outcome from audit_log where tenant = 'audited' order by audit_id",
    );
    const service = "workflows_runtime.v1.WorkflowService";
    expect(rows).toEqual([
      { org: "retail", principal: "oskar", action: `${service}/CancelWorkflowRun`, outcome: "unknown_run" },
      { org: "retail", principal: "oskar", action: `${service}/StartWorkflowRun`, outcome: "invalid_argument" },
      { org: "retail", principal: "oskar", action: `${service}/PutWorkflowRule`, outcome: "forbidden" },
      { org: "retail", principal: "ada", action: `${service}/PublishWorkflowVersion`, outcome: "ok" },
    ]);
  });
});

describe("what is declared", () => {
  it("is published once per version, and read back", async () => {
    const profile = profileOf("declared");
    const first = await acme.profiles.publishProfile({ profile });
    expect(first.created).toBe(true);
    expect(await acme.profiles.publishProfile({ profile })).toMatchObject({ digest: first.digest, created: false });
    const changed = { ...profile, requiredReferences: [] };
    expect((await errorOf(acme.profiles.publishProfile({ profile: changed }))).code).toBe(Code.AlreadyExists);
    expect(await acme.profiles.getProfile({ id: "declared" })).toMatchObject({
      digest: first.digest,
      profile: { gates: [{ id: "done" }], completionGate: "done" },
    });
    expect((await acme.profiles.listProfiles({})).profiles.map((each) => each.id)).toContain("declared");
    const ungated = { ...profileOf("ungated"), completionGate: "gone" };
    expect((await errorOf(acme.profiles.publishProfile({ profile: ungated }))).message).toContain(
      'completionGate "gone" must be the id of the gate that runs are judged at; use one of done',
    );
    const unlisted = { ...profileOf("unlisted"), handoff: { receiver: "nobody", onRefusal: RefusalPolicy.FAIL } };
    expect((await errorOf(acme.profiles.publishProfile({ profile: unlisted }))).code).toBe(Code.FailedPrecondition);
  });

  it("has gates, of which a run is judged at the one that its profile names", async () => {
    const [done] = profileOf("gated").gates;
    const tests = { id: "tested", kind: "test-result", remedy: "Add a test step." };
    const gates = [{ id: "reviewed", requirements: [tests] }, ...(done === undefined ? [] : [done])];
    const worker = await api.clientOf({ roles: ["worker"] });
    for (const [completionGate, passed] of [
      ["done", true],
      ["reviewed", false],
    ] as const) {
      await acme.profiles.publishProfile({
        profile: { ...profileOf(`gated-${completionGate}`), gates, completionGate },
      });
      const runId = await startRun(acme, { profile: `gated-${completionGate}` });
      const execution = { runId, generation: 1, firstExecutionRunId: "first" };
      await worker.runWorker.beginRun({ execution, startCapability: await startCapabilityOf(api.admin, runId) });
      expect((await worker.runWorker.prepareSeal({ execution })).verdict).toMatchObject({
        gate: completionGate,
        passed,
      });
    }
    const twice = { ...profileOf("twice"), gates: [...gates, ...gates] };
    expect((await errorOf(acme.profiles.publishProfile({ profile: twice }))).message).toContain(
      'gates.2.id "reviewed" is that of an earlier gate',
    );
  });

  it("is found by version and by channel, and unknown otherwise", async () => {
    const get = (definition: Parameters<typeof acme.workflows.getWorkflowVersion>[0]["definition"]) =>
      acme.workflows.getWorkflowVersion({ definition });
    expect(await get({ id: "evidence" })).toMatchObject({ version: "1" });
    expect(await get({ id: "evidence", selector: { case: "version", value: "1" } })).toMatchObject({ version: "1" });
    const missing = await errorOf(get({ id: "evidence", selector: { case: "channel", value: "beta" } }));
    expect({ code: missing.code, message: missing.rawMessage }).toEqual({
      code: Code.NotFound,
      message: expect.stringMatching(/^definition "evidence@beta" is not known here: /),
    });
    expect((await errorOf(acme.profiles.getProfile({ id: "team", version: "9" }))).code).toBe(Code.NotFound);
    const rule = { id: "r1", priority: 5, profileId: "ruled", definition: { id: "evidence" } };
    await acme.workflows.putWorkflowRule({ rule });
    expect((await acme.workflows.listWorkflowRules({})).rules).toMatchObject([{ id: "r1", priority: 5 }]);
    const late = await errorOf(acme.workflows.putWorkflowRule({ rule: { ...rule, priority: 6 }, expectedVersion: 4 }));
    expect({ code: late.code, message: late.rawMessage }).toEqual({
      code: Code.FailedPrecondition,
      message: expect.stringMatching(/^expected_version 4 of rule "r1" is not what it has now: it has version 1; /),
    });
    const limit = { id: "few", scope: QueueLimitScope.RULE, maxConcurrentRuns: 2 };
    const twice = await errorOf(acme.workflows.putWorkflowRule({ rule: { ...rule, limits: [limit, limit] } }));
    expect({ code: twice.code, message: twice.rawMessage }).toEqual({
      code: Code.InvalidArgument,
      message: 'limits.id "few" is used twice in the rule; each limit needs an id of its own: rename one of them',
    });
  });
});

describe("a repository", () => {
  const shop = { id: "shop", url: "https://github.com/acme/shop", defaultRef: "main" };

  it("is declared, read back by its own tenant, and refused with the reason where the operator allows none", async () => {
    await acme.workflows.putRepository({ repository: shop });
    expect((await acme.workflows.listRepositories({})).repositories).toMatchObject([shop]);
    expect((await globex.workflows.listRepositories({})).repositories).toEqual([]);
    const elsewhere = { ...shop, url: "https://example.com/acme/shop" };
    const refused = await errorOf(acme.workflows.putRepository({ repository: elsewhere }));
    expect(refused.code).toBe(Code.InvalidArgument);
    expect(refused.rawMessage).toContain("is on host example.com, and the operator allows github.com");
  });

  it("is worked on by a run of a plan with steps, whose worker reports through the one door", async () => {
    await acme.workflows.putRepository({ repository: shop });
    await acme.workflows.publishWorkflowVersion({
      definitionId: "work",
      version: "1",
      channel: "stable",
      plan: {
        repository: { id: "shop" },
        steps: [{ id: "build", kind: { case: "command", value: { argv: ["make"] } } }],
      },
    });
    const { runId } = await acme.workflows.startWorkflowRun({
      requestId: randomUUID(),
      request: {
        profile: { id: "team" },
        definition: { id: "work" },
        workKind: "other",
        context: { method: { case: "scrum", value: { product: "shop", sprint: "S-7", backlogItems: ["B-1"] } } },
      },
    });
    const worker = await api.clientOf({ roles: ["worker"] });
    const execution = { runId, generation: 1, firstExecutionRunId: "first" };
    const early = await errorOf(
      worker.workflows.reportWorkflowStatus({ execution, attempt: { segment: 1, number: 1 } }),
    );
    expect(early.code).toBe(Code.Aborted);
    await worker.runWorker.beginRun({ execution, startCapability: await startCapabilityOf(api.admin, runId) });
    const event = { n: 1n, payload: { case: "message", value: { text: "hello", stepId: "build" } } } as const;
    const told = {
      execution,
      attempt: { segment: 1, number: 1 },
      events: [event],
      status: RunStatus.RUNNING,
      baseCommit: "a".repeat(40),
    };
    expect(await worker.workflows.reportWorkflowStatus(told)).toMatchObject({ baseCommit: "a".repeat(40) });
    const { run } = await acme.workflows.describeWorkflowRun({ runId });
    expect(run).toMatchObject({ status: RunStatus.RUNNING, lastSequence: 5n, baseCommit: "a".repeat(40) });
    expect(run?.pins?.repository).toMatchObject({ id: "shop", ref: "main" });
    const large = {
      ...told,
      events: [{ ...event, n: 2n, payload: { ...event.payload, value: { text: "x".repeat(66_000) } } }],
    };
    expect((await errorOf(worker.workflows.reportWorkflowStatus(large))).code).toBe(Code.InvalidArgument);
  });
});

describe("a run that is asked for", () => {
  it("is one run for one request id, and a conflict for another payload", async () => {
    const runId = await startRun(acme, { requestId: "r-1" });
    expect(await startRun(acme, { requestId: "r-1" })).toBe(runId);
    expect((await errorOf(startRun(acme, { requestId: "r-1", sprint: "S-8" }))).code).toBe(Code.AlreadyExists);
    const { deliveries } = await acme.requests.listRunRequests({ eventId: "r-1" });
    expect(deliveries.map((each) => each.disposition).sort()).toEqual([
      Disposition.ACCEPTED,
      Disposition.DUPLICATE,
      Disposition.CONFLICT,
    ]);
  });

  it("is refused with every reason at once", async () => {
    const error = await errorOf(startRun(acme, { profile: "nowhere", sprint: "" }));
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(error.findDetails(ReasonSchema).map((reason) => reason.code)).toContain("unknown_profile");
  });

  it("can be described, with what was asked", async () => {
    const runId = await startRun(acme);
    const described = await acme.workflows.describeWorkflowRun({ runId });
    expect(described.run).toMatchObject({
      id: runId,
      tenant: "acme",
      org: "retail",
      status: RunStatus.QUEUED,
      generation: 1,
      lastSequence: 1n,
      workflowId: `automation-run/acme/${runId}/g1`,
      source: "api:paula",
      profileId: "team",
    });
    expect(described.request?.workKind).toBe("story");
    const codeFor = async (unknown: string) =>
      (await errorOf(acme.workflows.describeWorkflowRun({ runId: unknown }))).code;
    for (const unknown of [randomUUID(), "no uuid"]) expect(await codeFor(unknown)).toBe(Code.NotFound);
    expect(await codeFor("a\0b"), "no text of a run").toBe(Code.InvalidArgument);
  });
});

describe("the list of runs", () => {
  let lister: ApiClient;
  const ids: string[] = [];
  beforeAll(async () => {
    lister = await api.clientOf({ tenant: "lister" });
    await declare(lister);
    await lister.profiles.publishProfile({ profile: profileOf("other") });
    for (let n = 0; n < 7; n += 1)
      ids.unshift(await startRun(lister, { profile: n % 2 === 0 ? "team" : "other", sprint: `S-${n}` }));
    const [begun = ""] = ids;
    const worker = await api.clientOf({ tenant: "lister", roles: ["worker"] });
    await worker.runWorker.beginRun({
      execution: { runId: begun, generation: 1, firstExecutionRunId: "first" },
      startCapability: await startCapabilityOf(api.admin, begun),
    });
    // three of one moment: their order is by id alone
    await api.admin.query(
      "update runs set created_at = date_trunc('milliseconds', now()) + interval '1 hour' where run_id = any($1::uuid[])",
      [ids.slice(0, 3)],
    );
  });
  const idsOf = (runs: readonly Run[]) => runs.map((run) => run.id);

  it("gives each run once, newest first, whatever the size of the page", async () => {
    const whole = idsOf((await lister.workflows.listWorkflowRuns({})).runs);
    expect([...whole].sort()).toEqual([...ids].sort());
    expect(whole.slice(3)).toEqual(ids.slice(3));
    for (const pageSize of [1, 2, 3, 7]) {
      const seen: string[] = [];
      let pageToken = "";
      do {
        const page = await lister.workflows.listWorkflowRuns({ pageSize, pageToken });
        expect(page.runs.length).toBeLessThanOrEqual(pageSize);
        seen.push(...idsOf(page.runs));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      expect({ pageSize, seen }).toEqual({ pageSize, seen: whole });
    }
  });

  it("is narrowed by status, profile and any reference, parents and padded ids included", async () => {
    const list = async (filter: Parameters<typeof lister.workflows.listWorkflowRuns>[0]) =>
      idsOf((await lister.workflows.listWorkflowRuns(filter)).runs);
    expect(await list({ status: RunStatus.PREPARING })).toEqual([ids[0]]);
    expect(await list({ profileId: "other" })).toHaveLength(3);
    expect(await list({ profileId: "other", status: RunStatus.PREPARING })).toEqual([]);
    expect(await list({ reference: { kind: "sprint", id: " S-3 " } })).toEqual([ids[3]]);
    expect(await list({ reference: { kind: "product", id: "shop" } })).toHaveLength(7);
    expect(await list({ reference: { kind: "goal", id: "S-3" } })).toEqual([]);
  });

  it.each(["x", "%%%", Buffer.from("yesterday no-id").toString("base64url"), "a".repeat(500)])(
    "refuses a page token that it did not give: %s",
    async (pageToken) => {
      const error = await errorOf(lister.workflows.listWorkflowRuns({ pageToken }));
      expect({ code: error.code, message: error.rawMessage }).toEqual({
        code: Code.InvalidArgument,
        message: expect.stringMatching(/page_token/),
      });
    },
  );
});

describe("when it ends", () => {
  it("is not ready from the signal on, while it hears a call out", async () => {
    const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
    const answered = once(socket, "data");
    const head = "POST /workflows_runtime.v1.WorkflowService/ListWorkflowRuns HTTP/1.1\r\nhost: api\r\n";
    const given = { ...scope, ...(await bearer()), "content-type": "application/json", "content-length": 2 };
    const lines = Object.entries(given).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${head}${lines.join("")}\r\n{`);
    expect((await fetch(`${api.healthUrl}/readyz`)).status).toBe(200);
    const ended = api.shut();
    const ending = await fetch(`${api.healthUrl}/readyz`);
    expect([ending.status, await ending.json()]).toEqual([
      503,
      { handoff: "it is ending", reconciler: "it is ending" },
    ]);
    socket.write("}");
    expect(String((await answered)[0])).toMatch(/^HTTP\/1.1 200 .*connection: close/is);
    socket.destroy();
    await ended;
    await api.start();
  });
});

describe("when something is away", () => {
  it("is not ready once its loops have stood still for longer than the bound, and answers that it is unavailable instead of an internal error", async () => {
    const ready = await fetch(`${api.url}/readyz`);
    expect({ status: ready.status, parts: await ready.json() }).toEqual({
      status: 200,
      parts: { handoff: true, reconciler: true },
    });
    const stream = acme.workflows.watchWorkflowRun({ runId: await startRun(acme) }, { timeoutMs: 0 });
    const watching = errorOf(readAll(stream));
    await engines.postgres.engine.stop(5_000);
    await engines.s3.engine.stop(5_000);
    const standing = expect.stringMatching(/^it has stood still for \d+ s: /);
    await vi.waitFor(
      async () => {
        const away = await fetch(`${api.url}/readyz`);
        expect({ status: away.status, parts: await away.json() }).toEqual({
          status: 503,
          parts: { handoff: standing, reconciler: standing },
        });
      },
      { timeout: 60_000, interval: 100 },
    );
    expect((await errorOf(acme.workflows.listWorkflowRuns({}))).code).toBe(Code.Unavailable);
    expect((await errorOf(acme.workflows.cancelWorkflowRun({ runId: randomUUID() }))).code).toBe(Code.Unavailable);
    expect((await watching).code).toBe(Code.Unavailable);
    expect((await fetch(`${api.url}/healthz`)).status).toBe(200);
  });
});

async function readAll(stream: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of stream) count += 1;
  return count;
}
