import { randomUUID } from "node:crypto";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { methodName, permissionOf } from "../../src/api/connect/interceptors/permission-of.ts";
import { services } from "../../src/api/connect/routes.ts";
import { sha256Hex } from "../../src/artifacts/blobs.ts";
import { Permission } from "../../src/gen/automation/v1/method_options_pb.ts";
import type { Scope } from "../../src/tenancy/transaction.ts";
import type { Ids } from "../support/builders/scoped-calls.ts";
import {
  executionOf,
  personaBundle,
  repository,
  requestOf,
  rule,
  scopedCalls,
  versionOf,
  workPlan,
} from "../support/builders/scoped-calls.ts";
import type { ApiClient, RunningApi } from "../support/worlds/api.ts";
import { profileOf, startApi, startCapabilityOf } from "../support/worlds/api.ts";

let api: RunningApi;
let owned: Ids;
let madeUp: Ids;

const owner: Scope = { tenant: "acme", org: "retail" };
const sibling: Scope = { tenant: "acme", org: "wholesale" };
const foreign: Scope = { tenant: "globex", org: "retail" };
const strangers = [
  ["another org of the tenant", sibling],
  ["another tenant", foreign],
] as const;
const methods = services.flatMap((service) => service.methods);
const everyCall = methods.map((method) => [methodName(method), method] as const);
const callsOf = (...kinds: readonly string[]) =>
  everyCall.filter(([name]) => kinds.includes(scopedCalls[name]?.belongsTo ?? ""));
const startRun = "workflows_runtime.v1.WorkflowService/StartWorkflowRun";

beforeAll(async () => {
  api = await startApi();
  for (const tenant of ["acme", "globex"]) await declareWork(await api.clientOf({ tenant }));
  owned = await makeRuns(owner);
  madeUp = {
    completed: randomUUID(),
    begun: randomUUID(),
    admitted: randomUUID(),
    artifact: randomUUID(),
    startCapability: "x".repeat(64),
    requestId: randomUUID(),
    attestation: randomUUID(),
    digest: sha256Hex("made up"),
    backlogItem: "B-made-up",
    sprint: "S-made-up",
  };
});
afterAll(() => api?.stop());

async function declareWork({ workflows, profiles, agents }: ApiClient): Promise<void> {
  await agents.publishBundle({ bundle: personaBundle });
  await workflows.putRepository({ repository });
  await workflows.publishWorkflowVersion(versionOf("evidence", {}));
  await workflows.putWorkflowRule({ rule });
  await workflows.publishWorkflowVersion(versionOf("work", workPlan) as never);
  await profiles.publishProfile({ profile: profileOf("team") });
}

/** Everything that an org can have, made through the doors. */
async function makeRuns(scope: Scope): Promise<Ids> {
  const people = await api.clientOf(scope);
  const { runWorker } = await api.clientOf({ ...scope, roles: ["worker"] });
  const names = { backlogItem: `B-${scope.org}`, sprint: `S-${scope.org}` };
  const start = async (definition: string, requestId: string = randomUUID()) =>
    (await people.workflows.startWorkflowRun({ requestId, request: requestOf(names, definition) as never })).runId;
  const begin = async (runId: string) => {
    const startCapability = await startCapabilityOf(api.admin, runId);
    await runWorker.beginRun({ execution: executionOf(runId), startCapability });
    return startCapability;
  };
  const requestId = randomUUID();
  const completed = await start("evidence", requestId);
  await begin(completed);
  const execution = executionOf(completed);
  await runWorker.prepareSeal({ execution });
  await runWorker.deliverHandoff({ execution });
  expect((await runWorker.commitSeal({ execution })).committed).toBe(true);
  const [artifact] = (await people.artifacts.listArtifacts({ runId: completed })).artifacts;
  const [attestation] = (await people.governance.listAttestations({ runId: completed })).attestations;
  const begun = await start("work");
  const startCapability = await begin(begun);
  await api.admin.query(
    "insert into reconciliations (tenant, org, run_id, generation, finding, detail) values ($1, $2, $3, 1, 'silent', '')",
    [scope.tenant, scope.org, begun],
  );
  return {
    ...names,
    completed,
    begun,
    startCapability,
    requestId,
    admitted: await start("evidence"),
    artifact: artifact?.id ?? "",
    attestation: attestation?.id ?? "",
    digest: artifact?.sha256 ?? "",
  };
}

const roleOf: Partial<Record<Permission, string>> = {
  [Permission.READ]: "viewer",
  [Permission.OPERATE]: "operator",
  [Permission.DECLARE]: "admin",
  [Permission.WORK]: "worker",
  [Permission.PLATFORM]: "platform",
};

/** What a method answers to a scope: the first message, or the refusal. */
async function ask(method: DescMethod, scope: Scope, request: object, orgs: readonly string[] = [scope.org]) {
  const token = await api.token({ tenants: [scope.tenant], orgs, roles: [roleOf[permissionOf(method)]] });
  const speakFor: Interceptor = (next) => (call) => {
    call.header.set("authorization", `Bearer ${token}`);
    call.header.set("x-tenant-id", scope.tenant);
    call.header.set("x-scope-orgid", scope.org);
    return next(call);
  };
  const transport = createConnectTransport({ baseUrl: api.url, httpVersion: "1.1", interceptors: [speakFor] });
  const client = createClient<DescService>(method.parent, transport) as Record<string, (request: object) => unknown>;
  try {
    const answered = client[method.localName]?.(request);
    const message = method.methodKind === "unary" ? await answered : await firstOf(answered as AsyncIterable<unknown>);
    return { code: undefined, told: JSON.stringify(toJson(method.output, message as never)) };
  } catch (error) {
    const { code, rawMessage } = ConnectError.from(error);
    return { code, told: rawMessage };
  }
}

async function firstOf(messages: AsyncIterable<unknown>): Promise<unknown> {
  for await (const message of messages) return message;
  throw new Error("the stream told nothing");
}

/** The answer with each id replaced by what it is the id of. */
function without(ids: Ids, { code, told }: { code: Code | undefined; told: string }) {
  const named = Object.entries(ids).reduce((text, [name, id]) => text.replaceAll(id, `<${name}>`), told);
  return { code, told: named.replaceAll(/[?&]X-Amz-[^"]*/g, "") };
}

/** Every row of a scope that the calls of others must leave as it is. */
async function rowsOf({ tenant, org }: Scope, of: "org" | "tenant"): Promise<Record<string, unknown[]>> {
  const { rows: tables } = await api.admin.query(
    `select c.relname as name, count(*) filter (where a.attname = 'org') as orgs
     from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public' join pg_attribute a on a.attrelid = c.oid
     where c.relkind in ('r', 'p') and not c.relispartition and c.relname not in ('audit_log', 'outbox')
     group by c.relname having bool_or(a.attname = 'tenant') order by 1`,
  );
  const wanted = tables.filter(({ orgs }) => Number(orgs) > 0 === (of === "org"));
  const read = async (name: string) => {
    const where = of === "org" ? "tenant = $1 and org = $2" : "tenant = $1 and $2::text is not null";
    return (await api.admin.query(`select to_jsonb(t) as row from ${name} t where ${where} order by 1`, [tenant, org]))
      .rows;
  };
  return Object.fromEntries(await Promise.all(wanted.map(async ({ name }) => [name, await read(name)])));
}

const callOf = (name: string) => {
  const call = scopedCalls[name];
  if (call === undefined) throw new Error(`${name} has no entry in scopedCalls; say whose what it tells or changes is`);
  return call;
};

describe("every method that is served", () => {
  it("has an entry that says whose it is", () => {
    expect(Object.keys(scopedCalls).toSorted()).toEqual(everyCall.map(([name]) => name).toSorted());
    expect(methods.length).toBeGreaterThan(30);
  });

  it.each(strangers)(
    "tells %s no more of what an org has than of what nobody has, and changes nothing",
    async (_, who) => {
      const [mine, declared] = [await rowsOf(owner, "org"), await rowsOf(owner, "tenant")];
      expect(Object.values(mine).filter((rows) => rows.length > 0).length).toBeGreaterThan(10);
      for (const [name, method] of callsOf("org").filter(([each]) => !callOf(each).makesOwn)) {
        const { ask: requestFor } = callOf(name);
        const real = without(owned, await ask(method, who, requestFor(owned)));
        const none = without(madeUp, await ask(method, who, requestFor(madeUp)));
        expect({ name, ...real }).toEqual({ name, ...none });
        if (callOf(name).isList) expect({ name, ...real }).toEqual({ name, code: undefined, told: "{}" });
        else expect({ name, code: real.code }).toEqual({ name, code: Code.NotFound });
      }
      if (who.tenant !== owner.tenant) {
        for (const [name, method] of callsOf("tenant")) await ask(method, who, callOf(name).ask(owned));
        expect(await rowsOf(owner, "tenant")).toEqual(declared);
      }
      expect(await rowsOf(owner, "org")).toEqual(mine);
    },
  );

  it.each(callsOf("tenant", "installation"))("%s answers every org of the tenant alike", async (name, method) => {
    const answers = [];
    for (const scope of [owner, sibling, { ...owner, org: "*" }])
      answers.push(await ask(method, scope, callOf(name).ask(owned)));
    expect(answers[0]?.code).toBeUndefined();
    expect(new Set(answers.map((answer) => without(owned, answer).told)).size).toBe(1); // the URLs of objects are signed by the second
  });

  it.each(callsOf("org", "tenant", "installation"))("%s refuses every org to a token of one", async (name, method) => {
    const answer = await ask(method, { ...owner, org: "*" }, callOf(name).ask(owned), ["retail"]);
    expect(answer).toEqual({ code: Code.PermissionDenied, told: expect.stringContaining('org "*"') });
  });

  it.each(callsOf("org"))("%s reads for every org, and makes nothing for it", async (name, method) => {
    const before = await rowsOf(owner, "org");
    const answer = await ask(method, { ...owner, org: "*" }, callOf(name).ask(owned));
    const isRead = permissionOf(method) === Permission.READ;
    expect({ name, code: answer.code }).toEqual({ name, code: isRead ? undefined : Code.InvalidArgument });
    if (isRead) expect(Object.values(owned).some((id) => answer.told.includes(id))).toBe(true);
    else expect(answer.told).toContain("name it in the header x-scope-orgid");
    expect(await rowsOf(owner, "org")).toEqual(before);
  });

  it("answers its own org, and one of a token of every org", async () => {
    for (const [name, method] of callsOf("org")) {
      const answer = await ask(method, owner, callOf(name).ask(owned), ["*"]);
      expect({ name, code: answer.code, told: answer.told }).toEqual({
        name,
        code: callOf(name).owner,
        told: expect.any(String),
      });
      if (callOf(name).isList) expect(Object.values(owned).some((id) => answer.told.includes(id))).toBe(true);
    }
  });
});

describe("a request id that another org of the tenant used", () => {
  const startCall = methods.find((method) => methodName(method) === startRun) as DescMethod;

  it("is a conflict that tells nothing of its run and makes none, with a line of its own in the ledger", async () => {
    const before = await rowsOf(owner, "org");
    const answer = await ask(startCall, sibling, callOf(startRun).ask(owned));
    expect(answer).toEqual({
      code: Code.AlreadyExists,
      told: `request_id "${owned.requestId}" was used before with another request; use a new id for another request`,
    });
    const theirs = await api.clientOf(sibling);
    const { deliveries } = await theirs.requests.listRunRequests({ eventId: owned.requestId });
    expect(deliveries).toMatchObject([{ disposition: 3, runId: "", eventId: owned.requestId, source: "api:paula" }]);
    expect((await theirs.workflows.listWorkflowRuns({})).runs).toEqual([]);
    expect(await rowsOf(owner, "org")).toEqual(before);
  });

  it("is free in another tenant", async () => {
    const { code } = await ask(startCall, foreign, callOf(startRun).ask(owned));
    expect(code).toBeUndefined();
  });
});

describe("what two orgs of a tenant have", () => {
  it("is theirs apart, and read together by who may read every org", async () => {
    const theirs = await makeRuns(sibling);
    const [mine, every] = await Promise.all([api.clientOf(owner), api.clientOf({ ...owner, org: "*", orgs: ["*"] })]);
    const idsOf = async (client: ApiClient) => (await client.workflows.listWorkflowRuns({})).runs.map(({ id }) => id);
    expect(await idsOf(mine)).not.toContain(theirs.completed);
    expect(await idsOf(every)).toEqual(expect.arrayContaining([owned.completed, theirs.completed]));
  });

  it("does not meet in the object store: a digest that the other has must be brought, not named", async () => {
    const theirs = await makeRuns({ ...sibling, org: "export" });
    const { runWorker } = await api.clientOf({ ...sibling, org: "export", roles: ["worker"] });
    const uploads = [
      { name: "documents/x", kind: "document", mediaType: "text/plain", sha256: owned.digest, sizeBytes: 1n },
    ];
    const { grants } = await runWorker.createArtifactUploads({
      execution: executionOf(theirs.begun),
      attempt: { segment: 1, number: 1 },
      uploads,
    });
    expect(grants).toMatchObject([{ sha256: owned.digest, present: false }]);
  });
});
