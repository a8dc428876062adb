import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventAnswer } from "../../src/requests/accept-events.ts";
import { aRequest } from "../support/builders/declared.ts";
import type { RunningApi } from "../support/worlds/api.ts";
import { declare, scope, startApi } from "../support/worlds/api.ts";

let api: RunningApi;
beforeAll(async () => {
  api = await startApi();
  await declare(await api.clientOf());
});
afterAll(() => api?.stop());

const event = (id: string, over: object = {}) => ({
  specversion: "1.0",
  id,
  source: "urn:team",
  type: "automation.run.requested.v1",
  tenantid: "acme",
  orgid: "retail",
  data: aRequest(),
  ...over,
});
const structured = "application/cloudevents+json";
const batch = "application/cloudevents-batch+json";

type Answered = EventAnswer & { readonly events: readonly EventAnswer[]; readonly code?: string };

/** As curl sends it. */
async function post(body: unknown, headers: Record<string, string>, claims: Parameters<RunningApi["token"]>[0] = {}) {
  const response = await fetch(`${api.url}/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${await api.token(claims)}`, ...scope, ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answered };
}
const sourceOf = async (id: string) =>
  (await api.admin.query("select source from run_requests where event_id = $1", [id])).rows.map(({ source }) => source);

describe("POST /events", () => {
  it("accepts an event once, in each mode, as from the token's own source", async () => {
    const first = await post(event("a-1"), { "content-type": structured });
    expect(first).toMatchObject({ status: 202, body: { id: "a-1", disposition: "accepted", reasons: [] } });
    const { data, ...attributes } = event("a-1");
    const binary = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`CE-${name}`, String(value)]));
    const again = await post(data, { "content-type": "application/json", ...binary });
    const { runId, requestId } = first.body;
    expect(again).toMatchObject({ status: 200, body: { disposition: "duplicate", runId, requestId } });
    expect(await sourceOf("a-1")).toEqual(["events:paula#urn:team"]);
    const other = await post(data, { "content-type": "application/json", ...binary, "CE-source": '"urn:%74eam%232"' });
    expect(other).toMatchObject({ status: 202, body: { disposition: "accepted" } });
    expect(await sourceOf("a-1")).toContainEqual("events:paula#urn:team%232");
  });

  it("belongs to the trace of the post, unless it has one of its own", async () => {
    const [post1, own] = ["1", "2"].map((n) => `00-${n.repeat(32)}-b7ad6b7169203331-01`);
    const headers = { "content-type": structured, traceparent: post1 ?? "", tracestate: "a=1" };
    await post(event("traced"), headers);
    await post(event("traced-own", { traceparent: own }), headers);
    const { rows } = await api.admin.query(
      "select event_id, traceparent, tracestate from run_requests where event_id like 'traced%' order by 1",
    );
    expect(rows).toEqual([
      { event_id: "traced", traceparent: post1, tracestate: "a=1" },
      { event_id: "traced-own", traceparent: own, tracestate: null },
    ]);
  });

  it("answers each event of a batch, and a bad one does not hold up its neighbours", async () => {
    const events = [
      event("b-1"),
      event("b-2", { tenantid: "globex" }),
      7,
      event("b-1"),
      event("b-3", { data: { colour: 1 } }),
      event("b-4"),
    ];
    const { status, body } = await post(events, { "content-type": batch });
    expect(status).toBe(200);
    expect(body.events.map(({ disposition }) => disposition)).toEqual([
      "accepted",
      "refused",
      "refused",
      "duplicate",
      "refused",
      "accepted",
    ]);
    expect(body.events[1]?.reasons).toMatchObject([{ code: "foreign_tenant", field: "tenantid", value: "globex" }]);
    expect(body.events[4]?.reasons).toMatchObject([{ code: "unknown_field", field: "data.colour" }]);
    const again = await post(events, { "content-type": batch });
    expect(again.body.events[5]).toMatchObject({ disposition: "duplicate", runId: body.events[5]?.runId });
    const { rows } = await api.admin.query("select event_id from runs where event_id like 'b-%' order by 1");
    expect(rows).toEqual([{ event_id: "b-1" }, { event_id: "b-4" }]);
  });

  it.each<[number, string, unknown, Record<string, string>, Parameters<RunningApi["token"]>[0]]>([
    [400, "not_json", "{", { "content-type": structured }, {}],
    [400, "foreign_type", event("c", { type: "other" }), { "content-type": structured }, {}],
    [403, "foreign_org", event("c", { orgid: "wholesale" }), { "content-type": structured }, {}],
    [415, "unsupported_content_type", "x", { "content-type": "text/plain", "ce-id": "c" }, {}],
    [415, "unsupported_encoding", "x", { "content-type": structured, "content-encoding": "gzip" }, {}],
    [413, "too_large", "x".repeat(1024 * 1024 + 1), { "content-type": structured }, {}],
    [413, "too_large", Array(501).fill(0), { "content-type": batch }, {}],
    [409, "conflict", event("a-1", { data: { ...aRequest(), goal: "another" } }), { "content-type": structured }, {}],
    [
      422,
      "unknown_profile",
      event("c-2", { data: { ...aRequest(), profile: { id: "none" } } }),
      { "content-type": structured },
      {},
    ],
    [401, "unauthenticated", event("c"), { "content-type": structured, authorization: "none" }, {}],
    [403, "permission_denied", event("c"), { "content-type": structured }, { roles: ["viewer"] }],
    [403, "permission_denied", event("c"), { "content-type": structured }, { tenants: ["globex"] }],
    [400, "invalid_argument", event("c"), { "content-type": structured, "x-scope-orgid": "*" }, { orgs: ["*"] }],
  ])("answers %i %s", async (status, code, body, headers, claims) => {
    const answer = await post(body, headers, claims);
    expect([answer.status, answer.body.code ?? answer.body.reasons[0]?.code]).toEqual([status, code]);
    expect(answer.headers.get("x-correlation-id")).not.toBeNull();
  });

  it("is for POST only, and writes each call and its outcome to the audit log", async () => {
    const { status, headers } = await fetch(`${api.url}/events`);
    expect([status, headers.get("allow")]).toEqual([405, "POST"]);
    const { rows } = await api.admin.query(
      "select distinct outcome from audit_log where action = 'POST /events' order by 1",
    );
    expect(rows.map(({ outcome }) => outcome)).toEqual(["forbidden", "ok", "org_required", "too_large"]);
  });
});

const corpus = new URL("../corpus/events/http/", import.meta.url);

/** Sends a kept post as its bytes stand, with what only this api asks for. @returns the line of the status */
async function postKept(file: string): Promise<string> {
  const kept = readFileSync(new URL(file, corpus));
  const lineEnd = kept.indexOf("\r\n");
  const own = { host: "here", authorization: `Bearer ${await api.token()}`, ...scope };
  const lines = Object.entries(own).map(([name, value]) => `\r\n${name}: ${value}`);
  const socket = connect(Number(new URL(api.url).port), "127.0.0.1");
  socket.write(Buffer.concat([kept.subarray(0, lineEnd), Buffer.from(lines.join("")), kept.subarray(lineEnd)]));
  const [answer] = await once(socket, "data", { signal: AbortSignal.timeout(10_000) });
  socket.destroy();
  return answer.toString().split("\r\n", 1)[0];
}

describe("a post of an official SDK", () => {
  it.each(readdirSync(corpus))("%s becomes a run", async (file) => {
    const id = file.slice(0, -".http".length);
    const status = await postKept(file);
    const isBatch = id.endsWith("-batch");
    expect(status).toBe(isBatch ? "HTTP/1.1 200 OK" : "HTTP/1.1 202 Accepted");
    const { rows } = await api.admin.query("select * from run_requests where event_id like $1 order by event_id", [
      isBatch ? `${id}-%` : id,
    ]);
    expect(rows.map(({ event_id }) => event_id)).toEqual(isBatch ? [`${id}-1`, `${id}-2`] : [id]);
    for (const row of rows)
      expect(row).toMatchObject({
        ...{ disposition: "accepted", source: "events:paula#urn:example:team", correlation_id: "c-1" },
        subject: id.startsWith("javascript") ? 'B-1 "50 %"' : 'B-1 "50 %" für Köln 🚀',
        ...{ data_schema: "urn:example:schemas/asked", tracestate: "vendor=one", event_time: expect.any(Date) },
        payload: {
          goal: "Kunden sehen ihre offenen Rechnungen für Köln – 中文 🚀",
          parameters: { issue: Number.MAX_SAFE_INTEGER, share: 0.1 },
        },
      });
  });
});
