import { readFileSync } from "node:fs";
import type { Pool } from "pg";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import type { Delivery } from "../../src/requests/delivery.ts";
import { textHeaders } from "../../src/runs/outbox/bus-record.ts";
import { aRequest, declare } from "../support/builders/declared.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";
import { acceptInto, aDelivery, quarantined, quarantineRecords } from "../support/worlds/accepting.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let dispatcher: Pool;
let superuser: pg.Client;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  dispatcher = database.poolOf("dispatcher");
  superuser = new pg.Client({ connectionString: database.superuserUrl });
  await superuser.connect();
  await declare(createInScope(database.poolOf("api")), "acme");
});

afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const raw = JSON.stringify(aRequest());
/** A request whose JSON text carries one more field as written. */
const withField = (text: string) => `${raw.slice(0, -1)},${text}}`;

const scrum = (context: Record<string, unknown>) => aRequest({ context: { scrum: { product: "p", ...context } } });

/** What producers that err, or mean harm, can put on the topic, and what becomes of it. */
const hostile: readonly [string, string, Delivery][] = [
  ["binary data full of NUL", "not_json", aDelivery("h-1", Buffer.alloc(64))],
  ["a binary key, unreadable data", "not_json", { ...aDelivery("h-2", "{"), key: "\0\0\u0001" }],
  ["NUL in a header, unreadable data", "not_json", aDelivery("h-3", "{", { extra: "a\0b" })],
  ["NUL in a header's name, unreadable data", "not_json", aDelivery("h-4", "{", { "a\0b": "c" })],
  ["a value above one mebibyte", "too_large", aDelivery("h-5", Buffer.alloc(1_500_000, 0x61))],
  ["headers above one mebibyte", "not_json", aDelivery("h-6", "{", { ce_extra: "x".repeat(1_500_000) })],
  ["a number beyond every double", "invalid_data", aDelivery("h-7", withField('"parameters":{"n":1e999}'))],
  ["a long value of a wrong type", "not_a_run_request", aDelivery("h-8", { profile: "x".repeat(200_000) })],
  [
    "a year that Postgres does not have",
    "invalid_attribute",
    aDelivery("h-9", raw, { ce_time: "0000-01-01T00:00:00Z" }),
  ],
  [
    "an offset that Postgres does not take",
    "accepted",
    aDelivery("h-19", raw, { ce_time: "2026-01-01T00:00:00+23:59" }),
  ],
  ["a leap second", "accepted", aDelivery("h-20", raw, { ce_time: "1990-12-31T23:59:60.123456789Z" })],
  ["data that is null", "not_a_run_request", aDelivery("h-21", "null")],
  ["a deadline out of range", "not_a_run_request", aDelivery("h-10", withField('"deadline":"99999-01-01T00:00:00Z"'))],
  ["a list as data", "not_a_run_request", aDelivery("h-11", "[]")],
  [
    "brackets a hundred thousand deep",
    "invalid_data",
    aDelivery("h-12", `${"[".repeat(100_000)}${"]".repeat(100_000)}`),
  ],
  [
    "names that mean something to JavaScript",
    "accepted",
    aDelivery("h-13", withField('"parameters":{"__proto__":{"a":1},"constructor":2}')),
  ],
  ["a number too small for a double", "invalid_data", aDelivery("h-14", withField('"parameters":{"n":1e-400}'))],
  ["ids of blanks only", "rejected", aDelivery("h-15", scrum({ sprint: " ", backlogItems: ["\u00a0"] }))],
  ["wide characters up to the limits", "accepted", aDelivery("\u6f22".repeat(200), raw)],
  [
    "ids that grow when they are normalised",
    "accepted",
    aDelivery("h-16", scrum({ sprint: "\u{1d160}".repeat(200), backlogItems: ["\u{1d160}".repeat(200)] })),
  ],
  [
    "thirty thousand items",
    "rejected",
    aDelivery("h-17", scrum({ backlogItems: Array.from({ length: 30_000 }, (_, n) => `${n}`) })),
  ],
  [
    "sixty thousand broken items",
    "rejected",
    aDelivery("h-18", scrum({ backlogItems: Array.from({ length: 60_000 }, () => "") })),
  ],
];

describe("a record that nobody should have sent", () => {
  it.each(hostile)("with %s is %s, and its neighbour becomes a run", async (_, fate, delivery) => {
    const counts = await acceptInto(dispatcher)([delivery, aDelivery(`beside ${delivery.position}`)]);
    expect(Object.values(counts).reduce((sum, each) => sum + each)).toBe(2);
    const { rows } = await superuser.query(
      `select case disposition when 'quarantined' then reasons->0->>'code' else disposition end as fate, length(reasons::text) as size
       from run_requests where position = $1
       union all select code, length(reasons::text) from ${quarantined} where position = $1`,
      [delivery.position],
    );
    expect(rows).toEqual([{ fate, size: expect.any(Number) }]);
    expect(rows[0].size).toBeLessThan(100_000);
    const { rows: neighbour } = await superuser.query("select 1 from runs where event_id = $1", [
      `beside ${delivery.position}`,
    ]);
    expect(neighbour).toHaveLength(1);
  });

  it("of more than one mebibyte is pointed at in the quarantine, not copied", async () => {
    const delivery = aDelivery("big", Buffer.alloc(1_500_000, 0x61));
    await acceptInto(dispatcher)([delivery]);
    const { rows } = await superuser.query(`select body, omitted from ${quarantineRecords} where origin = $1`, [
      delivery.position,
    ]);
    expect(rows).toMatchObject([{ body: null, omitted: expect.stringMatching(/origin/) }]);
  });

  it("meets a plan that can't be read, and is quarantined with what our rules said", async () => {
    await superuser.query(
      `insert into workflow_versions (tenant, definition_id, version, plan, digest, published_by)
       values ('acme', 'evidence', '2', '{"timeLimit":"bogus"}', 'd', 'ada')`,
    );
    await superuser.query("update declaration_revisions set revision = revision + 1 where tenant = 'acme'");
    const defects: unknown[] = [];
    const accept = acceptInto(dispatcher, { onDefect: (error) => defects.push(error) });
    const definition = { id: "evidence", version: "2" };
    const delivery = aDelivery("defect", aRequest({ definition }));
    expect(await accept([delivery, aDelivery("beside the defect")])).toMatchObject({ accepted: 1, quarantined: 1 });
    expect(defects).toHaveLength(1);
    const { rows } = await superuser.query(`select code from ${quarantined} where position = $1`, [delivery.position]);
    expect(rows).toEqual([{ code: "undecidable" }]);
  });
});

describe("a missing partition", () => {
  it("pauses, since the events are fine: nothing is quarantined, and it goes on once the upkeep is back", async () => {
    const day = new Date().toISOString().slice(0, 10).replaceAll("-", "");
    await superuser.query(`alter table run_events detach partition run_events_${day}`);
    const delivery = aDelivery("no-partition");
    await expect(acceptInto(dispatcher)([delivery])).rejects.toMatchObject({ code: "23514" });
    expect(
      (await superuser.query(`select 1 from ${quarantined} where position = $1`, [delivery.position])).rows,
    ).toEqual([]);
    await superuser.query(`drop table run_events_${day}`);
    await dispatcher.query("select ensure_run_event_partitions()");
    expect(await acceptInto(dispatcher)([delivery])).toMatchObject({ accepted: 1 });
  });
});

interface KeptCase {
  readonly name: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | null;
  readonly base64?: string;
  /** Disposition, and of the first reason its code and field; of several events one each. */
  readonly expect: string;
}

describe("the kept corpus of hostile events", () => {
  const cases: readonly KeptCase[] = JSON.parse(
    readFileSync(new URL("../corpus/hostile-events/cases.json", import.meta.url), "utf8"),
  );

  it("gives each event its disposition, in one batch with good neighbours", async () => {
    const deliveries = cases.map(({ headers, body, base64 }) => ({
      ...aDelivery("kept"),
      headers: headers.flatMap(([name, text]) => textHeaders({ [name]: text })),
      body: base64 === undefined ? (body === null ? null : Buffer.from(body)) : Buffer.from(base64, "base64"),
    }));
    const neighbours = cases.map((_, at) => aDelivery(`neighbour-${at}`));
    const counts = await acceptInto(dispatcher)(deliveries.flatMap((each, at) => [each, neighbours[at] ?? each]));
    const { rows } = await superuser.query(
      `select position, disposition, reasons from run_requests
       union all select position, disposition, reasons from deliveries
       union all select position, 'quarantined', reasons from platform_deliveries`,
    );
    const of = (position: string) =>
      rows
        .filter((row) => row.position === position || row.position.startsWith(`${position}#`))
        .map(({ disposition, reasons: [first] }) => [disposition, first?.code, first?.field].filter(Boolean).join(" "))
        .join(", ");
    for (const row of rows) for (const { rule, remedy } of row.reasons) expect([rule, remedy]).not.toContain("");
    expect(cases.map(({ name }, at) => `${name}: ${of(deliveries[at]?.position ?? "")}`)).toEqual(
      cases.map((each) => `${each.name}: ${each.expect}`),
    );
    expect(neighbours.map(({ position }) => of(position))).toEqual(neighbours.map(() => "accepted"));
    expect(counts.accepted).toBeGreaterThan(neighbours.length);
  });
});
