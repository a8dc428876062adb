import type { ClientBase, Pool } from "pg";
import { createDecideByDeclarations } from "../../../src/definitions/declarations.ts";
import type { WorkspaceRules } from "../../../src/definitions/policy/workspace-rules.ts";
import { createKafkaSink } from "../../../src/drivers/kafka/kafka-sink.ts";
import { createKafkaSource } from "../../../src/drivers/kafka/kafka-source.ts";
import { createInTransaction, isDataError } from "../../../src/drivers/postgres/in-scope.ts";
import type { AcceptRequests } from "../../../src/requests/accept-requests.ts";
import { createAcceptRequests } from "../../../src/requests/accept-requests.ts";
import type { Delivery, DeliverySource } from "../../../src/requests/delivery.ts";
import { textHeaders } from "../../../src/runs/outbox/bus-record.ts";
import { governanceTopic } from "../../../src/runs/outbox/topics.ts";
import { aRequest, runs, workspaces } from "../builders/declared.ts";

/** The one that `urn:team` may speak on. */
export const topic = "requests";

/** Accepts what `urn:team` asks for two orgs of tenant acme on the topic `requests`, as the dispatcher does. */
export const acceptInto = (
  dispatcher: Pool,
  change: {
    knownRoles?: readonly string[];
    workspaces?: WorkspaceRules;
    onDefect?: (error: unknown) => void;
  } = {},
): AcceptRequests =>
  createAcceptRequests({
    inTransaction: createInTransaction(dispatcher),
    decideByDeclarations: createDecideByDeclarations(),
    bindings: [
      {
        bus: "kafka",
        cluster: "local",
        topic,
        source: "urn:team",
        tenants: ["acme"],
        orgs: ["retail", "wholesale"],
        types: ["asked"],
      },
    ],
    operator: { knownRoles: change.knownRoles ?? [], workspaces: change.workspaces ?? workspaces, runs },
    isDataError,
    onDefect: change.onDefect ?? rethrow,
    now: () => new Date(),
  });

function rethrow(error: unknown): never {
  throw error;
}

/** Headers of a binary event that `acceptInto` takes. */
export const eventHeaders = (id: string): Record<string, string> => ({
  "content-type": "application/json",
  ce_specversion: "1.0",
  ce_id: id,
  ce_source: "urn:team",
  ce_type: "asked",
  ce_tenantid: "acme",
  ce_orgid: "retail",
});

/** A table expression: every quarantined delivery with its owner, empty for the platform's, and its first reason. */
export const quarantined = `(
  select position, '' as owner, event_id, reasons, reasons->0->>'code' as code from platform_deliveries
  union all select position, tenant || '/' || org, event_id, reasons, reasons->0->>'code' from deliveries where disposition = 'quarantined'
) as quarantined`;

/** A table expression: what the outbox holds for the quarantine topic. */
export const quarantineRecords = `(
  select tenant, body, max(value) filter (where name = 'quarantine-origin') as origin, max(value) filter (where name = 'quarantine-omitted') as omitted
  from (select o.*, h->>0 as name, convert_from(decode(h->>1, 'base64'), 'LATIN1') as value from outbox o, jsonb_array_elements(headers) as h) as named
  group by id, tenant, body
) as quarantine_records`;

/** What the outbox holds for the governance topic about one event id, in its order. */
export async function toldOf(superuser: ClientBase, eventId: string) {
  const { rows } = await superuser.query<{ tenant: string; key: string; headers: [string, string][]; body: Buffer }>(
    "select tenant, key, headers, body from outbox where topic = $1 order by id",
    [governanceTopic],
  );
  const told = rows.map(({ headers, body, ...row }) => ({
    ...row,
    attributes: Object.fromEntries(headers.map(([name, value]) => [name, Buffer.from(value, "base64").toString()])),
    payload: JSON.parse(body.toString()),
  }));
  return told.filter(({ payload }) => payload.eventId === eventId);
}

let offset = 0;
/** A binary CloudEvent at the next position of the topic. @param data - bytes and text stand as they are */
export function aDelivery(id: string, data: unknown = aRequest(), headers: Record<string, string> = {}): Delivery {
  offset += 1;
  return {
    position: `kafka:local/${topic}@one/0/${offset}`,
    bus: "kafka",
    cluster: "local",
    topic,
    key: id,
    headers: textHeaders({ ...eventHeaders(id), ...headers }),
    body: data instanceof Uint8Array ? data : Buffer.from(typeof data === "string" ? data : JSON.stringify(data)),
  };
}

/** Consumes the topic as the dispatcher does. */
export function consumeInto(
  dispatcher: Pool,
  brokers: readonly string[],
  {
    onPause = () => undefined,
    onRejoin = () => undefined,
  }: { onPause?: (error: unknown) => void; onRejoin?: (error: unknown) => void } = {},
): { readonly source: DeliverySource; readonly running: Promise<void>; stop(): Promise<void> } {
  const accept = acceptInto(dispatcher);
  const source = createKafkaSource({
    brokers,
    cluster: "local",
    clientId: "test",
    group: "dispatcher",
    topic,
    batchSize: 100,
    handle: async (deliveries) => void (await accept(deliveries)),
    canGoOn: () =>
      dispatcher.query("select 1").then(
        () => true,
        () => false,
      ),
    onPause,
    onRejoin,
    now: () => new Date(),
  });
  const ended = new AbortController();
  const running = source.run(ended.signal);
  running.catch(() => undefined);
  return {
    source,
    running,
    stop: async () => {
      ended.abort();
      await running;
    },
  };
}

/** Asks once per id, each a binary event with the same data. */
export async function publishRequests(brokers: readonly string[], ids: readonly string[]): Promise<void> {
  const sink = createKafkaSink({ brokers, clientId: "test-producer" });
  await sink.connect();
  const body = Buffer.from(JSON.stringify(aRequest()));
  await sink.send(
    topic,
    ids.map((id) => ({ key: id, headers: textHeaders(eventHeaders(id)), body })),
  );
  await sink.close();
}
