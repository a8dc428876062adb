import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import type { RequestDeliveryJson } from "../../src/gen/workflows_runtime/v1/delivery_pb.ts";
import { Disposition } from "../../src/gen/workflows_runtime/v1/delivery_pb.ts";
import {
  ListPlatformDeliveriesRequestSchema,
  ListRunRequestsRequestSchema,
} from "../../src/gen/workflows_runtime/v1/request_service_pb.ts";
import { createListPlatformDeliveries } from "../../src/requests/list-platform-deliveries.ts";
import type { ListRequests } from "../../src/requests/list-requests.ts";
import { createListRequests } from "../../src/requests/list-requests.ts";
import { platformScope } from "../../src/tenancy/bind-scope.ts";
import { InvalidPageTokenError } from "../../src/tenancy/page-token.ts";
import { aRequest, declare, scopeOf } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery } from "../support/worlds/accepting.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let listRequests: ListRequests;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  const inScope = createInScope(database.poolOf("api"));
  listRequests = createListRequests({ inScope });
  await declare(inScope, "acme");
  const accept = acceptInto(database.poolOf("dispatcher"));
  const ids = Array.from({ length: 40 }, (_, n) => `evt-${n}`);
  await accept(ids.map((id) => aDelivery(id))); // one transaction, one moment: the order among them is by id alone
  await accept(ids.slice(0, 10).map((id) => aDelivery(id)));
  await accept([aDelivery("evt-0", aRequest({ goal: "other" })), aDelivery("evt-odd", aRequest({ workKind: "bug" }))]);
});

afterAll(async () => {
  await database?.close();
  await engines?.stop();
});

const list = (asked: MessageInitShape<typeof ListRunRequestsRequestSchema>, tenant = "acme") =>
  listRequests(create(ListRunRequestsRequestSchema, asked), scopeOf(tenant));

async function everyPage(pageSize: number): Promise<RequestDeliveryJson[]> {
  const all: RequestDeliveryJson[] = [];
  let pageToken = "";
  do {
    const page = await list({ pageSize, pageToken });
    all.push(...(page.deliveries ?? []));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken !== "");
  return all;
}

describe("the list of a tenant's deliveries", () => {
  it.each([1, 7, 40, 200])("in pages of %s shows each delivery once, newest first", async (pageSize) => {
    const all = await everyPage(pageSize);
    expect(all).toHaveLength(52);
    expect(new Set(all.map(({ position }) => position)).size).toBe(52);
    const moments = all.map(({ receivedAt = "" }) => receivedAt);
    expect(moments).toEqual(moments.toSorted().reverse());
  });

  it("tells what became of each, and why", async () => {
    const { deliveries = [] } = await list({ eventId: "evt-0" });
    expect(deliveries.map(({ disposition }) => disposition)).toEqual([
      "DISPOSITION_CONFLICT",
      "DISPOSITION_DUPLICATE",
      "DISPOSITION_ACCEPTED",
    ]);
    expect(new Set(deliveries.map(({ runId }) => runId)).size).toBe(1);
    const filtered = await list({ disposition: Disposition.FILTERED });
    expect(filtered.deliveries).toMatchObject([
      { eventId: "evt-odd", runId: "", reasons: [{ code: "no_definition" }] },
    ]);
    expect((await list({ disposition: Disposition.DUPLICATE })).deliveries).toHaveLength(10);
  });

  it("is empty for another tenant, and refuses a token that it did not give out", async () => {
    expect(await list({}, "globex")).toEqual({ deliveries: [], nextPageToken: "" });
    for (const pageToken of ["x", "bm9uZQ", Buffer.from("2026-01-01 1").toString("base64url")])
      await expect(list({ pageToken })).rejects.toThrow(InvalidPageTokenError);
  });
});

describe("quarantined deliveries", () => {
  const listPlatform = (asked: MessageInitShape<typeof ListPlatformDeliveriesRequestSchema>) =>
    createListPlatformDeliveries({ inScope: createInScope(database.poolOf("api")) })(
      create(ListPlatformDeliveriesRequestSchema, asked),
    );
  const listIn = (org: string, eventId: string) =>
    listRequests(create(ListRunRequestsRequestSchema, { eventId }), { tenant: "acme", org });
  const accept = (...deliveries: Parameters<ReturnType<typeof acceptInto>>[0]) =>
    acceptInto(database.poolOf("dispatcher"))(deliveries);

  it("of a bound source stand in the ledger of its tenant and org, with reasons and no request", async () => {
    const odd = aDelivery("q-1", "{");
    await accept(odd);
    const { deliveries } = await listIn("retail", "q-1");
    expect(deliveries).toMatchObject([
      { disposition: "DISPOSITION_QUARANTINED", requestId: "", runId: "", source: "urn:team", position: odd.position },
    ]);
    expect(deliveries?.[0]?.reasons).toMatchObject([{ code: "not_json", field: "data", value: "{" }]);
    expect((await listIn("*", "q-1")).deliveries).toHaveLength(1);
    expect((await listIn("wholesale", "q-1")).deliveries).toEqual([]);
    expect((await listPlatform({ eventId: "q-1" })).deliveries).toEqual([]);
  });

  it("for an org that the source is not bound to are read by who reads every org, and by no org", async () => {
    await accept(aDelivery("q-2", aRequest(), { ce_orgid: "export" }));
    expect((await listIn("*", "q-2")).deliveries).toMatchObject([{ reasons: [{ code: "foreign_org" }] }]);
    for (const org of ["export", "retail"]) expect((await listIn(org, "q-2")).deliveries).toEqual([]);
  });

  it("that name a tenant by a source of others are not seen by that tenant, however many there are", async () => {
    await accept(
      ...Array.from({ length: 50 }, () => aDelivery("q-3", "{", { ce_source: "urn:eve", ce_tenantid: "acme" })),
    );
    for (const org of ["retail", "*"]) expect((await listIn(org, "q-3")).deliveries).toEqual([]);
    expect((await listPlatform({ eventId: "q-3" })).deliveries).toHaveLength(50);
  });

  it("of no tenant are listed for the platform: each once, newest first, shown storable and cut", async () => {
    const long = { ce_id: "i".repeat(5_000), ce_source: `urn:${"s".repeat(5_000)}`, ce_type: "a\u0000b" };
    await accept(aDelivery("q-4", "{", long), { ...aDelivery("q-4"), headers: [], body: null });
    const all = [];
    let pageToken = "";
    do {
      const page = await listPlatform({ pageSize: 7, pageToken });
      all.push(...(page.deliveries ?? []));
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
    expect(all).toHaveLength(52);
    expect(new Set(all.map(({ position }) => position)).size).toBe(52);
    expect(all.map(({ receivedAt = "" }) => receivedAt)).toEqual(
      all
        .map(({ receivedAt = "" }) => receivedAt)
        .toSorted()
        .reverse(),
    );
    const cut = all.find(({ eventType }) => eventType === "a\u2400b");
    expect([cut?.eventId?.length, cut?.source?.length]).toEqual([200, 500]);
    expect(all.filter(({ eventId }) => eventId === "")).toMatchObject([
      { source: "", sizeBytes: 0, reasons: [{ code: "empty" }] },
    ]);
    await expect(listPlatform({ pageToken: "x" })).rejects.toThrow(InvalidPageTokenError);
  });

  it("of no tenant are shown to no transaction of a tenant", async () => {
    const inScope = createInScope(database.poolOf("api"));
    const countIn = async (scope: { tenant: string; org: string }) =>
      (await inScope(scope, (transaction) => transaction.query("select position from platform_deliveries"))).rows
        .length;
    for (const scope of [scopeOf("acme"), { tenant: "acme", org: "*" }]) expect(await countIn(scope)).toBe(0);
    expect(await countIn(platformScope)).toBeGreaterThan(0);
  });
});
