import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RequestDeliveryJson } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { Disposition, ListRunRequestsRequestSchema } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { createInScope } from "../../src/postgres/in-scope.ts";
import type { ListRequests } from "../../src/requests/list-requests.ts";
import { createListRequests } from "../../src/requests/list-requests.ts";
import { InvalidPageTokenError } from "../../src/tenancy/page-token.ts";
import { acceptInto, aDelivery } from "../support/accepting.ts";
import type { TestDatabase } from "../support/database.ts";
import { createDatabase } from "../support/database.ts";
import { aRequest, declare, scopeOf } from "../support/declared.ts";
import type { TestEngines } from "../support/engines.ts";
import { startEngines } from "../support/engines.ts";

let engines: TestEngines;
let database: TestDatabase;
let listRequests: ListRequests;

beforeAll(async () => {
  engines = await startEngines({ postgres: true });
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
