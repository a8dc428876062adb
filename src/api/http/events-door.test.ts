import { Readable } from "node:stream";
import { expect, it } from "vitest";
import type { AcceptEvents } from "../../requests/accept-events.ts";
import { createEventsDoor } from "./events-door.ts";

/** @returns the answer of the door to a post, where accepting does this */
async function answered(acceptEvents: AcceptEvents, headers: Record<string, string> = {}) {
  const identity = { subject: "ada", tenants: ["acme"], orgs: ["retail"], roles: ["operator"], expiresAt: new Date() };
  const door = createEventsDoor({
    authenticate: async () => identity,
    recordAudit: async () => undefined,
    acceptEvents,
    onInternal: () => undefined,
    newId: () => "1",
  });
  const all = { "x-tenant-id": "acme", "x-scope-orgid": "retail", ...headers };
  const request = Object.assign(Readable.from([Buffer.from("{}")]), {
    ...{ method: "POST", url: "/events", headers: all, rawHeaders: Object.entries(all).flat() },
  });
  const sent: Record<string, string> = {};
  const response = { statusCode: 0, setHeader: (name: string, value: string) => (sent[name] = value) };
  const body = await new Promise<string>((resolve) => {
    door(request, { ...response, setHeader: response.setHeader, end: (text = "") => resolve(text) } as never);
  });
  return { sent, body };
}

it("tells who posts when to come again while the database is away", async () => {
  const { sent, body } = await answered(async () => {
    throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  });
  expect(sent["retry-after"]).toBe("1");
  expect(JSON.parse(body)).toMatchObject({ code: "unavailable" });
});

it("passes the trace of the post on", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  let trace: unknown;
  await answered(
    async (posted) => {
      ({ trace } = posted);
      return [];
    },
    { traceparent, tracestate: "a=1" },
  );
  expect(trace).toEqual({ traceparent, tracestate: "a=1" });
});
