import { describe, expect, it } from "vitest";
import { createCors } from "./cors.ts";

/** The header fields of a preflight as Chromium sends them. */
const preflight = (origin: string) => ({
  method: "OPTIONS",
  url: "/workflows_runtime.v1.WorkflowService/ListWorkflowRuns",
  headers: {
    origin,
    accept: "*/*",
    "access-control-request-method": "POST",
    "access-control-request-headers":
      "authorization,connect-protocol-version,connect-timeout-ms,content-type,x-correlation-id,x-scope-orgid,x-tenant-id",
  },
});

function answerOf(
  request: { readonly method: string; readonly headers: Record<string, string> },
  origins: readonly string[],
) {
  const headers: Record<string, string> = {};
  const response = {
    statusCode: 0,
    setHeader: (name: string, value: string) => (headers[name] = value),
    end: () => {},
  };
  const isAnswered = createCors(origins)(request, response);
  return { isAnswered, status: response.statusCode, headers };
}

describe("a preflight", () => {
  it("of a listed origin is allowed every header that was asked for, and no credentials", () => {
    const request = preflight("http://localhost:5173");
    const { headers, ...answer } = answerOf(request, ["http://localhost:*"]);
    expect(answer).toEqual({ isAnswered: true, status: 204 });
    expect(headers).toMatchObject({
      "access-control-allow-origin": "http://localhost:5173",
      "access-control-allow-methods": "POST, GET",
      vary: "origin",
    });
    const allowed = headers["access-control-allow-headers"]?.toLowerCase().split(", ");
    expect(allowed).toEqual(expect.arrayContaining(request.headers["access-control-request-headers"].split(",")));
    expect(headers).not.toHaveProperty("access-control-allow-credentials");
  });

  it("of a page that posts an event is allowed the attributes that it names, and nothing else that it names", () => {
    const asking = (names: string) => {
      const { headers, ...request } = preflight("https://app.example");
      const asked = { ...request, headers: { ...headers, "access-control-request-headers": names } };
      return answerOf(asked, ["https://app.example"]).headers["access-control-allow-headers"]?.split(", ");
    };
    expect(asking("ce-id,ce-tenantid, CE-MyOwn")).toEqual(expect.arrayContaining(["ce-id", "ce-tenantid", "ce-myown"]));
    const refused = ["cookie", "x-ce-id", "ce-", "ce-a-b", "ce-a\r\nset-cookie: b"];
    for (const name of refused) expect(asking(name)).toEqual(asking(""));
  });

  it.each([
    ["https://app.example", "https://app.example", 204],
    ["https://app.example", "http://app.example", 403],
    ["https://app.example", "https://app.example.evil", 403],
    ["https://app.example", "https://app.example:8443", 403],
    ["http://localhost:*", "http://localhost", 204],
    ["http://localhost:*", "http://localhost:80.evil", 403],
    ["http://localhost:*", "http://localhost.evil:80", 403],
    ["http://localhost:*", "https://localhost:443", 403],
    ["http://localhost:*", "null", 403],
    ["http://[::1]:*", "http://[::1]:3000", 204],
  ])("where %s is listed and %s asks is answered %i", (listed, origin, status) => {
    const answer = answerOf(preflight(origin), [listed]);
    expect(answer).toMatchObject({ isAnswered: true, status });
    expect(answer.headers["access-control-allow-origin"]).toBe(status === 204 ? origin : undefined);
  });

  it("is refused where no origin is listed", () => {
    expect(answerOf(preflight("http://localhost:5173"), [])).toMatchObject({ isAnswered: true, status: 403 });
  });
});

describe("a call", () => {
  const call = { method: "POST", headers: { origin: "https://app.example" } };

  it("is marked for the page that may read its answer, and goes on", () => {
    const { isAnswered, headers } = answerOf(call, ["https://app.example"]);
    expect(isAnswered).toBe(false);
    expect(headers).toMatchObject({ "access-control-allow-origin": "https://app.example", vary: "origin" });
    expect(headers["access-control-expose-headers"]).toMatch(/grpc-status.*x-correlation-id/i);
  });

  it("of another page goes on unmarked: the browser keeps its answer", () => {
    expect(answerOf(call, ["https://other.example"])).toEqual({
      isAnswered: false,
      status: 0,
      headers: { vary: "origin" },
    });
  });

  it("that is OPTIONS and no preflight is left to what is served", () => {
    expect(answerOf({ method: "OPTIONS", headers: {} }, ["https://app.example"]).isAnswered).toBe(false);
  });
});
