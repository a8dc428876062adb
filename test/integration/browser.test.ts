import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inBrowser } from "../support/engines/browser.ts";
import { callGrpc, envelope } from "../support/probes/raw-calls.ts";
import type { RunningApi } from "../support/worlds/api.ts";
import { declare, scope, startApi, startRun } from "../support/worlds/api.ts";

let api: RunningApi;
let work: string;

beforeAll(async () => {
  api = await startApi('api: { corsOrigins: ["http://localhost:*"] }');
  const acme = await api.clientOf();
  await declare(acme);
  const runId = await startRun(acme);
  const headers = { ...scope, authorization: `Bearer ${await api.token({ roles: ["viewer"] })}` };
  work = pageOf(api.url, headers, runId);
});
afterAll(() => api?.stop());

/** A page that calls as Connect's own client does: each protocol that a browser can speak, with the headers that each one sends. */
const pageOf = (url: string, headers: object, runId: string) => `
  const service = "${url}/workflows_runtime.v1.WorkflowService/";
  const headers = ${JSON.stringify(headers)};
  const envelope = (bytes) => new Uint8Array([0, 0, 0, 0, bytes.length, ...bytes]);
  const call = async (method, more, body) => {
    try {
      const init = { method: body === undefined ? "GET" : "POST", headers: { ...headers, ...more }, body };
      const response = await fetch(service + method, init);
      const correlation = response.headers.get("x-correlation-id");
      return { response, status: response.status, correlation };
    } catch (error) {
      return { refused: String(error) };
    }
  };
  const whole = async ({ response, ...told }) => ({ ...told, body: await response?.text() });
  const connect = { "connect-protocol-version": "1", "connect-timeout-ms": "5000" };
  const json = { ...connect, "content-type": "application/json" };

  const unary = await whole(await call("ListWorkflowRuns", { ...json, "x-correlation-id": "page-1" }, '{"pageSize":1}'));
  const query = await whole(await call('ListWorkflowRuns?connect=v1&encoding=json&message={"pageSize":1}', {}));
  const unauthenticated = await whole(await call("ListWorkflowRuns", { ...json, authorization: "Bearer none" }, "{}"));
  const forbidden = await whole(await call("CancelWorkflowRun", json, '{"runId":"r"}'));
  const unknown = await whole(await call("Nothing", json, "{}"));
  const grpcWeb = await whole(
    await call("ListWorkflowRuns", { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", "x-user-agent": "page", "grpc-timeout": "5S" }, envelope([])),
  );
  const stream = await call(
    "WatchWorkflowRun",
    { "connect-protocol-version": "1", "content-type": "application/connect+json" },
    envelope(new TextEncoder().encode('{"runId":"${runId}"}')),
  );
  let watched = stream.refused;
  if (stream.response !== undefined) {
    const reader = stream.response.body.pipeThrough(new TextDecoderStream()).getReader();
    watched = (await reader.read()).value;
    await reader.cancel();
  }
  export default { unary, query, unauthenticated, forbidden, unknown, grpcWeb, watched };
`;

interface Found {
  readonly status?: number;
  readonly correlation?: string;
  readonly body?: string;
  readonly refused?: string;
}
type Page = Readonly<Record<"unary" | "query" | "unauthenticated" | "forbidden" | "unknown" | "grpcWeb", Found>> & {
  readonly watched: string;
};

describe("a page in a browser", () => {
  it("of an origin that the operator lists calls by Connect, its streams and queries and by gRPC-web, and reads every error", async () => {
    const found = await inBrowser<Page>("localhost", work);
    expect(found).toMatchObject({
      unary: { status: 200, correlation: "page-1", body: expect.stringMatching(/"runs":\[/) },
      query: { status: 200, body: expect.stringMatching(/"runs":\[/) },
      unauthenticated: {
        status: 401,
        correlation: expect.any(String),
        body: expect.stringMatching(/"unauthenticated"/),
      },
      forbidden: { status: 403, body: expect.stringMatching(/"permission_denied"/) },
      unknown: { status: 404, body: expect.stringMatching(/"unimplemented"/) },
      grpcWeb: { status: 200, body: expect.stringMatching(/grpc-status: 0/) },
      watched: expect.stringMatching(/"runId"/),
    });
  });

  it("of another origin is kept out by the browser", async () => {
    const { watched, ...found } = await inBrowser<Page>("127.0.0.1", work);
    for (const told of Object.values(found))
      expect(told).toEqual({ refused: expect.stringMatching(/Failed to fetch/) });
    expect(watched).toMatch(/Failed to fetch/);
  });
});

describe("reflection", () => {
  it("is not there unless the operator says so", async () => {
    const url = `${api.url}/grpc.reflection.v1.ServerReflection/ServerReflectionInfo`;
    expect((await callGrpc({ url, type: "application/grpc", body: envelope(""), headers: {} })).code).toBe("12");
  });
});
