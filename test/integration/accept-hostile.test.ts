import type { Pool } from "pg";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createInTenant } from "../../src/postgres/in-tenant.ts";
import type { Delivery } from "../../src/requests/cloudevent.ts";
import { acceptInto, aDelivery } from "../support/accepting.ts";
import type { TestDatabase } from "../support/database.ts";
import { createDatabase } from "../support/database.ts";
import { aRequest, declare } from "../support/declared.ts";
import type { TestEngines } from "../support/engines.ts";
import { startEngines } from "../support/engines.ts";

let engines: TestEngines;
let database: TestDatabase;
let dispatcher: Pool;
let superuser: pg.Client;

beforeAll(async () => {
  engines = await startEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  dispatcher = database.poolOf("dispatcher");
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await declare(createInTenant(database.poolOf("api")), "acme");
});

afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const raw = JSON.stringify(aRequest());
/** A request whose JSON text carries one more field as written. */
const withField = (text: string) => `${raw.slice(0, -1)},${text}}`;

/** What producers that err, or mean harm, can put on the topic. */
const hostile: readonly [string, Delivery][] = [
  ["binary data full of NUL", aDelivery("h-1", Buffer.alloc(64))],
  ["a binary key on a record that can't be read", { ...aDelivery("h-2", "{"), key: "\0\0\0\u0001" }],
  ["NUL in a header on a record that can't be read", aDelivery("h-3", "{", { ce_extra: "a\0b" })],
  ["NUL in a header's name on a record that can't be read", aDelivery("h-4", "{", { "a\0b": "c" })],
  ["a value above one mebibyte", aDelivery("h-5", Buffer.alloc(1_500_000, 0x61))],
  ["a number beyond every double", aDelivery("h-6", withField('"parameters":{"n":1e999}'))],
  ["a field of a wrong type with a long value", aDelivery("h-7", { profile: "x".repeat(200_000) })],
  ["a year that Postgres does not have", aDelivery("h-8", raw, { ce_time: "0000-01-01T00:00:00Z" })],
  [
    "names that mean something to JavaScript",
    aDelivery("h-9", withField('"parameters":{"__proto__":{"a":1},"constructor":2}')),
  ],
  ["an enormous exponent below zero", aDelivery("h-10", withField('"parameters":{"n":1e-400}'))],
  ["a deadline out of range", aDelivery("h-11", withField('"deadline":"99999-01-01T00:00:00Z"'))],
  [
    "ids of blanks only",
    aDelivery("h-12", aRequest({ context: { scrum: { product: " ", sprint: " ", backlogItems: ["\u00a0"] } } })),
  ],
  ["a source of wide characters at the limit", aDelivery("漢".repeat(200), raw, { ce_source: "漢".repeat(500) })],
  ["an id of wide characters at the limit", aDelivery("漢".repeat(200), raw)],
  [
    "ids that grow when normalised",
    aDelivery(
      "h-13",
      aRequest({
        context: { scrum: { product: "p", sprint: "\u{1D160}".repeat(200), backlogItems: ["\u{1D160}".repeat(200)] } },
      }),
    ),
  ],
  ["a null as data", aDelivery("h-14", "null")],
  ["a list as data", aDelivery("h-15", "[]")],
  ["brackets a hundred thousand deep", aDelivery("h-16", "[".repeat(100_000) + "]".repeat(100_000))],
  [
    "a context of two hundred thousand items",
    aDelivery(
      "h-17",
      aRequest({ context: { scrum: { backlogItems: Array.from({ length: 40_000 }, (_, n) => `${n}`) } } }),
    ),
  ],
];

describe("a record that nobody should have sent", () => {
  it.each(hostile)("%s: has one disposition, and never holds up the partition", async (_, delivery) => {
    const neighbour = aDelivery(`beside ${delivery.position}`);
    const counts = await acceptInto(dispatcher)([delivery, neighbour]);
    expect(Object.values(counts).reduce((sum, each) => sum + each)).toBe(2);
    expect(counts.accepted).toBeGreaterThan(0);
    const { rows } = await superuser.query(
      "select position from run_requests where position = $1 union all select position from platform_deliveries where position = $1",
      [delivery.position],
    );
    expect(rows).toHaveLength(1);
  });
});
