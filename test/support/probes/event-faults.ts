import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ValidateFunction } from "ajv";
import { Ajv } from "ajv";
import pg from "pg";
import { parse } from "yaml";
import { governanceTopic } from "../../../src/runs/outbox/topics.ts";
import { cutText } from "../../../src/text/strangers-text.ts";
import { clone } from "../engines/stack.ts";
import { hashEvent } from "./hash-event.ts";

/** Documents of docs/events, by their name. */
const folder = join(clone, "docs/events");
export const asyncapi = parse(readFileSync(join(folder, "asyncapi.yaml"), "utf8"));

const ajv = new Ajv({ allErrors: true, strict: false, formats: { "date-time": isTime, uuid: /^[0-9a-f-]{36}$/ } });
ajv.addSchema({ ...asyncapi, $id: "asyncapi.yaml" });
for (const file of globSync("*.schema.json", { cwd: folder }))
  ajv.addSchema({ ...JSON.parse(readFileSync(join(folder, file), "utf8")), $id: file });

function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));
}

interface Checks {
  readonly headers: ValidateFunction;
  readonly payload: ValidateFunction;
}
const messages = new Map<string, Checks>(
  Object.entries<{ name: string; payload?: { schema: { $ref: string } } }>(asyncapi.components.messages).map(
    ([key, { name, payload }]) => [
      name,
      {
        headers: ajv.compile({ $ref: `asyncapi.yaml#/components/messages/${key}/headers` }),
        payload: ajv.compile(payload === undefined ? {} : { $ref: payload.schema.$ref.replace("./", "") }),
      },
    ],
  ),
);

/** @param type - of the event, or `original` @returns what docs/events says otherwise; empty when it keeps to it */
export function eventFaults(type: string, headers: Readonly<Record<string, string>>, payload: unknown): string[] {
  const checks = messages.get(type);
  if (checks === undefined) return [`${type} is no message of docs/events/asyncapi.yaml`];
  return [...faultsOf(checks.headers, headers), ...payloadFaults(type, payload)];
}

/** As `eventFaults`, of the data alone. */
export function payloadFaults(type: string, payload: unknown): string[] {
  const checks = messages.get(type);
  return checks === undefined
    ? [`${type} is no message of docs/events/asyncapi.yaml`]
    : faultsOf(checks.payload, payload);
}

function faultsOf(check: ValidateFunction, value: unknown): string[] {
  if (check(value)) return [];
  return (check.errors ?? []).map(({ instancePath, message, params }) =>
    [instancePath || "the whole", message, JSON.stringify(params)].join(" "),
  );
}

/** Looks at what the tests of a server's databases made for the bus: run events that are chained, which excludes made-up ones, and governance events that are not sent. */
export async function faultsOfServer(serverUrl: string): Promise<{ readonly seen: number; readonly faults: string[] }> {
  const asked = async <T extends object>(url: string, sql: string, values: unknown[] = []): Promise<T[]> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<T>(sql, values)).rows;
    } finally {
      await client.end();
    }
  };
  let seen = 0;
  const faults: string[] = [];
  const note = (database: string, event: unknown, found: readonly string[]) => {
    seen += 1;
    if (found.length > 0) faults.push(`${database}: ${found.join("; ")}: ${cutText(JSON.stringify(event), 300)}`);
  };
  const databases = await asked<{ datname: string }>(
    serverUrl,
    "select datname from pg_database where datname like 'test\\_%'",
  );
  for (const { datname } of databases) {
    const url = new URL(serverUrl);
    url.pathname = datname;
    const runEvents = await asked<{ event: object; hash: string }>(url.href, "select event, hash from run_events");
    for (const { event, hash } of runEvents)
      if (hashEvent(event) === hash) note(datname, event, payloadFaults("automation.run.event.v1", event));
    const records = await asked<{ headers: [string, string][]; body: Buffer }>(
      url.href,
      "select headers, body from outbox where topic = $1",
      [governanceTopic],
    );
    for (const record of records) {
      const headers = Object.fromEntries(
        record.headers.map(([name, value]) => [name, Buffer.from(value, "base64").toString()]),
      );
      const payload = JSON.parse(record.body.toString());
      note(datname, payload, eventFaults(headers.ce_type ?? "", headers, payload));
    }
  }
  return { seen, faults };
}
