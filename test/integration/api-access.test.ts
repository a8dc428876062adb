import { randomUUID } from "node:crypto";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { permissionOf } from "../../src/api/connect/interceptors/permission-of.ts";
import { services } from "../../src/api/connect/routes.ts";
import { Permission } from "../../src/gen/automation/v1/method_options_pb.ts";
import { WorkflowService } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { ApiClient, Claims, Post, RunningApi } from "../support/worlds/api.ts";
import { declare, errorOf, postJson, scope, startApi, startCapabilityOf, startRun } from "../support/worlds/api.ts";

let api: RunningApi;
let acme: ApiClient;
let globex: ApiClient;

beforeAll(async () => {
  api = await startApi();
  acme = await api.clientOf();
  globex = await api.clientOf({ tenant: "globex" });
  await Promise.all([declare(acme), declare(globex)]);
});
afterAll(() => api?.stop());

const post: Post = (...call) => postJson(api.url, ...call);
const bearer = async (claims?: Claims) => ({ authorization: `Bearer ${await api.token(claims)}` });

describe("who may call", () => {
  const cases: [string, () => Promise<Record<string, string>>, Code, RegExp][] = [
    ["no token", async () => scope, Code.Unauthenticated, /authorization: Bearer/],
    ["another scheme", async () => ({ ...scope, authorization: "Basic eDp5" }), Code.Unauthenticated, /Bearer/],
    ["no JWT", async () => ({ ...scope, authorization: "Bearer x.y.z" }), Code.Unauthenticated, /not a JWT/],
    [
      "an unsigned token",
      async () => {
        const [, claims] = (await api.token()).split(".");
        const header = Buffer.from('{"alg":"none"}').toString("base64url");
        return { ...scope, authorization: `Bearer ${header}.${claims}.` };
      },
      Code.Unauthenticated,
      /EdDSA, ES256, RS256/,
    ],
    [
      "a token signed with the public key as a shared secret",
      async () => {
        const secret = new TextEncoder().encode(await (await fetch(`${api.issuerUrl}/jwks.json`)).text());
        const forged = await new SignJWT({ tenants: ["acme"], orgs: ["retail"], roles: ["admin"] })
          .setProtectedHeader({ alg: "HS256" })
          .setIssuer(api.issuerUrl)
          .setAudience("automation")
          .setSubject("eve")
          .setExpirationTime("1h")
          .sign(secret);
        return { ...scope, authorization: `Bearer ${forged}` };
      },
      Code.Unauthenticated,
      /EdDSA, ES256, RS256/,
    ],
    [
      "a token of another key",
      async () => {
        const { privateKey } = await generateKeyPair("EdDSA");
        const [head, claims] = (await api.token()).split(".");
        const payload = JSON.parse(Buffer.from(claims ?? "", "base64url").toString());
        const { kid } = JSON.parse(Buffer.from(head ?? "", "base64url").toString());
        const forged = await new SignJWT(payload).setProtectedHeader({ alg: "EdDSA", kid }).sign(privateKey);
        return { ...scope, authorization: `Bearer ${forged}` };
      },
      Code.Unauthenticated,
      /not signed by a key/,
    ],
    ["an unknown key", async () => ({ ...scope, ...(await bearer({ kid: "k" })) }), Code.Unauthenticated, /key of/],
    [
      "an old token",
      async () => ({ ...scope, ...(await bearer({ expiresIn: -61 })) }),
      Code.Unauthenticated,
      /expired/,
    ],
    ["another audience", async () => ({ ...scope, ...(await bearer({ aud: "x" })) }), Code.Unauthenticated, /"aud"/],
    ["another issuer", async () => ({ ...scope, ...(await bearer({ iss: "x" })) }), Code.Unauthenticated, /"iss"/],
    ["no roles claim", async () => ({ ...scope, ...(await bearer({ roles: "x" })) }), Code.Unauthenticated, /"roles"/],
    [
      "no tenant",
      async () => ({ "x-scope-orgid": "retail", ...(await bearer()) }),
      Code.InvalidArgument,
      /x-tenant-id is required/,
    ],
    [
      "no org",
      async () => ({ "x-tenant-id": "acme", ...(await bearer()) }),
      Code.InvalidArgument,
      /x-scope-orgid is required/,
    ],
    [
      "a malformed tenant",
      async () => ({ ...scope, "x-tenant-id": "Acme!", ...(await bearer()) }),
      Code.InvalidArgument,
      /x-tenant-id "Acme!" must match/,
    ],
    [
      "a tenant of others",
      async () => ({ ...scope, "x-tenant-id": "globex", ...(await bearer()) }),
      Code.PermissionDenied,
      /tenant "globex"/,
    ],
    [
      "an org of others",
      async () => ({ ...scope, "x-scope-orgid": "other", ...(await bearer()) }),
      Code.PermissionDenied,
      /org "other"/,
    ],
    [
      "every tenant, by a role that is no worker",
      async () => ({ ...scope, ...(await bearer({ tenants: ["*"], orgs: ["*"] })) }),
      Code.PermissionDenied,
      /tenant "acme"/,
    ],
    [
      "every tenant, by a worker that is also an admin",
      async () => ({ ...scope, ...(await bearer({ tenants: ["*"], orgs: ["*"], roles: ["worker", "admin"] })) }),
      Code.PermissionDenied,
      /tenant "acme"/,
    ],
    [
      "every org, by a token of one",
      async () => ({ ...scope, "x-scope-orgid": "*", ...(await bearer()) }),
      Code.PermissionDenied,
      /org "\*"/,
    ],
    ["no role", async () => ({ ...scope, ...(await bearer({ roles: [] })) }), Code.PermissionDenied, /viewer/],
    ["a worker", async () => ({ ...scope, ...(await bearer({ roles: ["worker"] })) }), Code.PermissionDenied, /viewer/],
  ];

  it.each(cases)("refuses %s over JSON and over gRPC alike", async (_, headersOf, code, message) => {
    const headers = await headersOf();
    const answer = await post("workflows_runtime.v1.WorkflowService/ListWorkflowRuns", {}, headers);
    expect({ code: answer.body.code, message: answer.body.message }).toEqual({
      code: codeName(code),
      message: expect.stringMatching(message),
    });
    const grpc = createClient(WorkflowService, createGrpcTransport({ baseUrl: api.url }));
    const error = await errorOf(grpc.listWorkflowRuns({}, { headers }));
    expect({ code: error.code, message: error.rawMessage }).toEqual({ code, message: expect.stringMatching(message) });
    const stream = grpc.watchWorkflowRun({ runId: randomUUID() }, { headers })[Symbol.asyncIterator]();
    expect((await errorOf(stream.next())).code).toBe(code);
  });

  it("lets the role platform list deliveries of no tenant, without a tenant, and no other role or method; each try is kept", async () => {
    const method = "workflows_runtime.v1.RequestService/ListPlatformDeliveries";
    const platform = await bearer({ tenants: [], orgs: [], roles: ["platform"] });
    for (const headers of [platform, { ...platform, ...scope }])
      expect(await post(method, {}, headers)).toMatchObject({ status: 200, body: {} });
    for (const role of ["viewer", "operator", "admin", "worker"])
      expect(await post(method, {}, { ...scope, ...(await bearer({ roles: [role] })) })).toMatchObject({
        body: { code: "permission_denied", message: expect.stringContaining("needs role platform") },
      });
    const everywhere = { ...scope, ...(await bearer({ roles: ["platform"], tenants: ["acme", "*"], orgs: ["*"] })) };
    for (const { name, parent, methodKind } of services.flatMap((service) => service.methods)) {
      if (name !== "ListPlatformDeliveries" && methodKind === "unary")
        expect(await post(`${parent.typeName}/${name}`, {}, everywhere)).not.toMatchObject({ status: 200 });
    }
    const { rows } = await api.admin.query(
      "select tenant, org, principal, outcome, count(*)::int from audit_log where action = $1 group by 1, 2, 3, 4 order by outcome",
      [method],
    );
    const kept = { tenant: "*", org: "*", principal: "paula" };
    expect(rows).toEqual([
      { ...kept, outcome: "forbidden", count: 4 },
      { ...kept, outcome: "ok", count: 2 },
    ]);
  });

  it("lets a worker's token speak for any tenant, and reach a worker's methods alone", async () => {
    const worker = await api.clientOf({ tenants: ["*"], orgs: ["*"], roles: ["worker"], tenant: "globex" });
    const execution = { runId: randomUUID(), generation: 1, firstExecutionRunId: "first" };
    const startCapability = await startCapabilityOf(api.admin, execution.runId);
    expect((await errorOf(worker.runWorker.beginRun({ execution, startCapability }))).code).toBe(Code.NotFound);
    expect((await errorOf(worker.workflows.listWorkflowRuns({}))).code).toBe(Code.PermissionDenied);
  });

  it("serves no method to a role that its permission does not name, and refuses none that it does", async () => {
    const reach: Record<string, Permission[]> = {
      viewer: [Permission.READ],
      operator: [Permission.READ, Permission.OPERATE],
      admin: [Permission.READ, Permission.OPERATE, Permission.DECLARE],
      worker: [Permission.WORK],
    };
    const methods = services.flatMap((service) => service.methods).filter((each) => each.methodKind === "unary");
    expect(methods.length).toBeGreaterThan(20);
    for (const [role, permissions] of Object.entries(reach)) {
      const headers = { ...scope, ...(await bearer({ roles: [role] })) };
      for (const method of methods) {
        const { status } = await post(`${method.parent.typeName}/${method.name}`, {}, headers);
        const isAllowed = permissions.includes(permissionOf(method));
        expect({ role, method: method.name, refused: status === 403 }).toEqual({
          role,
          method: method.name,
          refused: !isAllowed,
        });
      }
    }
  });
});

describe("another tenant", () => {
  it("can neither see a run nor touch it", async () => {
    const runId = await startRun(acme);
    const reference = { kind: "backlog_item", id: "B-1" };
    expect((await globex.workflows.listWorkflowRuns({ reference })).runs).toEqual([]);
    expect((await globex.requests.listRunRequests({})).deliveries).toEqual([]);
    const execution = { runId, generation: 1, firstExecutionRunId: "theirs" };
    const startCapability = await startCapabilityOf(api.admin, runId);
    const worker = await api.clientOf({ tenant: "globex", roles: ["worker"] });
    const calls = [
      () => globex.workflows.describeWorkflowRun({ runId }),
      () => globex.workflows.cancelWorkflowRun({ runId }),
      () => globex.workflows.watchWorkflowRun({ runId })[Symbol.asyncIterator]().next(),
      () => worker.runWorker.beginRun({ execution, startCapability }),
      () => worker.workflows.reportWorkflowStatus({ execution }),
    ];
    for (const call of calls) expect((await errorOf(call())).code).toBe(Code.NotFound);
    const { rows } = await api.admin.query(
      "select status, desired_state, execution_run_id, (select count(*)::int from run_commands c where c.run_id = r.run_id) as commands from runs r where run_id = $1",
      [runId],
    );
    expect(rows).toEqual([{ status: "QUEUED", desired_state: "RUN", execution_run_id: null, commands: 0 }]);
  });

  it("gets the same answer for a request id that somebody else uses, with a run of its own", async () => {
    const [mine, theirs] = await Promise.all([
      startRun(acme, { requestId: "shared" }),
      startRun(globex, { requestId: "shared" }),
    ]);
    expect(mine).not.toBe(theirs);
  });
});

function codeName(code: Code): string {
  return (Code[code] ?? "").replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
}
