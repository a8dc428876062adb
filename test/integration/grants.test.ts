import type { Client } from "pg";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Role } from "../../src/drivers/postgres/migrate.ts";
import type { RunStatus } from "../../src/runs/run-status.ts";
import { assertTransition, statusToJson } from "../../src/runs/run-status.ts";
import { insertQueuedRuns } from "../support/builders/queued-runs.ts";
import type { BorrowedEngines } from "../support/engines/borrow-engines.ts";
import { borrowEngines } from "../support/engines/borrow-engines.ts";
import type { TestDatabase } from "../support/engines/database.ts";
import { createDatabase } from "../support/engines/database.ts";

let engines: BorrowedEngines;
let database: TestDatabase;
let superuser: pg.Pool;

beforeAll(async () => {
  engines = await borrowEngines({ postgres: true });
  database = await createDatabase(engines.postgres.url);
  superuser = new pg.Pool({ connectionString: database.superuserUrl, max: 2 });
  superuser.on("error", () => undefined);
});
afterAll(async () => {
  await superuser?.end();
  await database?.close();
  await engines?.stop();
});

const rowsOf = async (sql: string, values: unknown[] = []) => (await superuser.query(sql, values)).rows;

/** Tries a statement as a role, for tenant acme and org retail, and takes it back. @returns the refusal's code, or how many rows it met */
async function trying(role: Role, sql: string, values: unknown[] = []): Promise<string | number> {
  const client = new pg.Client({ connectionString: database.urlOf(role) });
  await client.connect();
  try {
    await begin(client);
    return (await client.query(sql, values)).rowCount ?? 0;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    await client.end();
  }
}

async function begin(client: Client): Promise<void> {
  await client.query("begin");
  await client.query("select set_config('app.tenant_id', 'acme', true), set_config('app.org_id', 'retail', true)");
}

const processes = ["api", "dispatcher", "relay", "check"].map((name) => `automation_${name}`);
const refused = "42501";
const statuses: readonly RunStatus[] = [
  ...(["QUEUED", "ADMITTED", "PREPARING", "RUNNING", "EVALUATING", "SEALING"] as const),
  ...(["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"] as const),
];

describe("the grants", () => {
  it("are these, for every role, table, column and privilege", async () => {
    const rows = await rowsOf(
      `select r.rolname as role, c.relname as name, p.privilege, count(*) filter (where has_column_privilege(r.oid, c.oid, a.attnum, p.privilege)) as granted,
         count(*) as columns, string_agg(a.attname, ', ' order by a.attname) filter (where has_column_privilege(r.oid, c.oid, a.attnum, p.privilege)) as names,
         bool_or(has_table_privilege(r.oid, c.oid, p.privilege)) as whole
       from pg_roles r, unnest(array['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) with ordinality as p(privilege, place), pg_class c
         join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public' join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where r.rolname = any($1) and c.relkind in ('r', 'p') and not c.relispartition
       group by r.rolname, r.oid, c.relname, p.privilege, p.place order by 1, 2, p.place`,
      [processes],
    );
    const byColumn = rows
      .filter(({ granted }) => granted > 0)
      .map(({ role, name, privilege, names, whole }) => `${role} ${name} ${privilege}: ${whole ? "*" : names}`);
    const byTable = await rowsOf(
      `select r.rolname as role, c.relname as name, p as privilege
       from pg_roles r, unnest(array['DELETE', 'TRUNCATE', 'TRIGGER']) as p, pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
       where r.rolname = any($1) and c.relkind in ('r', 'p') and has_table_privilege(r.oid, c.oid, p) order by 1, 2, 3`,
      [processes],
    );
    const functions = await rowsOf(
      `select r.rolname as role, p.oid::regprocedure::text as name from pg_roles r, pg_proc p join pg_namespace n on n.oid = p.pronamespace and n.nspname = 'public'
       where r.rolname = any($1) and has_function_privilege(r.oid, p.oid, 'EXECUTE') order by 1, 2`,
      [processes],
    );
    const written = [
      ...byColumn,
      ...byTable.map(({ role, name, privilege }) => `${role} ${name} ${privilege}`),
      ...functions.map(({ role, name }) => `${role} EXECUTE ${name}`),
    ].map((line) => line.replace("automation_", ""));
    await expect(`${written.toSorted().join("\n")}\n`).toMatchFileSnapshot("grants.txt");
  });

  it("reach no partition of the run events but by its table", async () => {
    const open = await rowsOf(
      `select c.relname from pg_class c, pg_roles r, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p
       where c.relispartition and r.rolname = any($1) and has_table_privilege(r.oid, c.oid, p)`,
      [processes],
    );
    expect(open).toEqual([]);
  });

  it("let a function speak for its owner only where pg_temp is looked at last, and not for PUBLIC", async () => {
    const functions = await rowsOf(
      `select p.proname as name, array_to_string(p.proconfig, ' ') as config, has_function_privilege('public', p.oid, 'execute') as public
       from pg_proc p join pg_namespace n on n.oid = p.pronamespace and n.nspname = 'public' where p.prosecdef order by 1`,
    );
    expect(functions.length).toBeGreaterThan(1);
    for (const { name, config, public: isPublic } of functions)
      expect({ name, config, isPublic }).toEqual({
        name,
        config: "search_path=pg_catalog, public, pg_temp",
        isPublic: false,
      });
  });
});

describe("a process that does what is another's", () => {
  it.each<[Role, string]>([
    ["dispatcher", "update runs set org = 'wholesale'"],
    ["dispatcher", "update runs set ended_at = now()"],
    ["dispatcher", "update runs set execution_run_id = 'mine'"],
    ["dispatcher", "select requested from runs"],
    ["dispatcher", "select pins from runs"],
    ["dispatcher", "select payload from run_requests"],
    ["dispatcher", "select event from run_events"],
    ["dispatcher", "update run_streams set published_sequence = 9"],
    ["dispatcher", "update run_queue set priority = 1"],
    ["dispatcher", "delete from run_queue"],
    ["dispatcher", "update run_commands set reason = 'x'"],
    ["dispatcher", "delete from event_identities"],
    ["dispatcher", "insert into seals (tenant) values ('acme')"],
    ["relay", "select requested from runs"],
    ["relay", "select status from runs"],
    ["relay", "update runs set status = 'COMPLETED'"],
    ["relay", "update run_streams set last_sequence = 9"],
    ["relay", "select last_hash from run_streams"],
    ["relay", "select writer_key from run_events"],
    ["relay", "insert into outbox (lane, kind, topic, key) values (0, 'record', 't', 'k')"],
    ["relay", "update outbox set body = null"],
    ["check", "select payload from run_requests"],
    ["check", "select requested from runs"],
    ["check", "select start_capability from runs"],
    ["check", "update runs set status = 'COMPLETED'"],
    ["check", "delete from run_queue"],
    ["api", "update runs set org = 'wholesale'"],
    ["api", "update runs set tenant = 'globex'"],
    ["api", "update runs set request_id = gen_random_uuid()"],
    ["api", "update event_identities set run_id = null"],
    ["api", "update attestations set statement = ''"],
    ["api", "update run_streams set published_sequence = 9"],
    ["api", "update handoff_calls set payload = '{}'"],
    ["api", "select * from audit_log"],
    ["api", "select * from outbox"],
    ["api", "delete from run_events"],
    ["api", "delete from handoff_calls"],
  ])("is refused: the %s, %s", async (role, sql) => {
    expect(await trying(role, sql)).toBe(refused);
  });

  it("is refused every event but QUEUED and ADMITTED, and the end of a stream, when it is the dispatcher", async () => {
    const [runId = ""] = await insertQueuedRuns(superuser, 1);
    const tell = (event: object) =>
      trying(
        "dispatcher",
        `insert into run_events (tenant, org, run_id, day, sequence, writer_key, at, hash, event)
         values ('acme', 'retail', $1, (now() at time zone 'utc')::date, 1, 'w', now(), 'h', $2)`,
        [runId, event],
      );
    for (const status of statuses)
      expect({ status, answer: await tell({ status: { status: statusToJson(status) } }) }).toEqual({
        status,
        answer: status === "QUEUED" || status === "ADMITTED" ? 1 : refused,
      });
    expect(await tell({ message: { text: "well" } })).toBe(refused);
    const move = (set: string) => trying("dispatcher", `update run_streams set ${set} where run_id = $1`, [runId]);
    expect(await move("last_sequence = 1, last_hash = 'h'")).toBe(1);
    expect(await move("last_sequence = 1, last_hash = 'h', closed = true")).toBe(refused);
    expect(await move("last_hash = 'h'")).toBe(refused);
  });

  it("is refused a run that does not begin QUEUED, by either door", async () => {
    const born = (status: RunStatus) =>
      `insert into runs (tenant, run_id, org, request_id, source, event_id, definition_id, definition_version, definition_digest, profile_id, profile_version,
         profile_digest, method, work_kind, cadence_id, "references", requested, status, deadline_at, day)
       values ('acme', gen_random_uuid(), 'retail', gen_random_uuid(), 's', 'e', 'd', '1', 'd', 'p', '1', 'p', 'scrum', 'story', 'c', '{}', '{}', '${status}', now(), now())`;
    for (const role of ["api", "dispatcher"] as const) {
      expect(await trying(role, born("QUEUED"))).toBe(1);
      for (const status of statuses.slice(1)) expect(await trying(role, born(status))).toBe(refused);
    }
  });
});

describe("the status of a run", () => {
  const runs = new Map<RunStatus, string>();
  beforeAll(async () => {
    const ids = await insertQueuedRuns(superuser, statuses.length);
    for (const [index, status] of statuses.entries()) {
      runs.set(status, ids[index] ?? "");
      await superuser.query("update runs set status = $1 where run_id = $2", [status, ids[index]]);
    }
  });
  const isLegal = (from: RunStatus, to: RunStatus) => {
    try {
      assertTransition(from, to);
      return true;
    } catch {
      return false;
    }
  };
  const move = (role: Role, from: RunStatus, to: RunStatus) =>
    trying(role, "update runs set status = $1 where run_id = $2", [to, runs.get(from)]);

  it.each(statuses)("moves on from %s as the state machine says, for the api", async (from) => {
    for (const to of statuses.filter((status) => status !== from))
      expect({ from, to, answer: await move("api", from, to) }).toEqual({
        from,
        to,
        answer: isLegal(from, to) ? 1 : refused,
      });
  });

  it("is moved by nobody else, the owner included, but to ADMITTED", async () => {
    for (const role of ["migrate", "dispatcher"] as const)
      for (const from of statuses)
        for (const to of statuses.filter((status) => status !== from)) {
          const answer = await move(role, from, to);
          expect({ role, from, to, answer }).toEqual({
            role,
            from,
            to,
            answer: from === "QUEUED" && to === "ADMITTED" ? 1 : refused,
          });
        }
  });

  it("stands once it is an end, and so does all else of the run", async () => {
    for (const role of ["api", "migrate"] as const)
      for (const set of ["reason = 'x'", "base_commit = 'x'", "admitted_at = now()", `"references" = '{}'`])
        expect(await trying(role, `update runs set ${set} where run_id = $1`, [runs.get("FAILED")])).toBe(refused);
    expect(await trying("api", "update runs set reason = 'x' where run_id = $1", [runs.get("RUNNING")])).toBe(1);
  });
});

describe("what has its end, or only grows, for everybody", () => {
  const id = crypto.randomUUID();
  beforeAll(async () => {
    const [runId = ""] = await insertQueuedRuns(superuser, 1);
    const make = (sql: string) => superuser.query(sql, [runId]);
    await make("update run_streams set closed = true, last_sequence = 2, published_sequence = 1 where run_id = $1");
    await make(
      "insert into run_events (tenant, org, run_id, day, sequence, writer_key, at, hash, event) values ('acme', 'retail', $1, (now() at time zone 'utc')::date, 1, 'w', now(), 'h', '{}')",
    );
    await make(
      `insert into seals (tenant, org, run_id, state, outcome, gate, log_head, log_count, log_sha256) values ('acme', 'retail', $1, 'COMMITTED', 'COMPLETED', 'done', 'h', 2, 's')`,
    );
    await make(
      `insert into verdicts (tenant, org, run_id, gate, judgement, generation, profile_digest, verdict, judged_at)
       values ('acme', 'retail', $1, 'done', 'COMPLETION', 1, 'p', '{"passed": false}', now())`,
    );
    await make(
      `insert into attestations (tenant, org, attestation_id, run_id, seal_outcome, kind, name, predicate_type, purpose, outcome, vantage, subjects, statement, statement_sha256, envelope, status, profile_digest)
       values ('acme', 'retail', '${id}', $1, 'COMPLETED', 'vsa', 'vsa', 't', 'verifier', 'PASSED', 'worker-observed', '[]', '', 's', '', 'REGISTERED', 'p')`,
    );
    await make(
      `insert into handoff_calls (tenant, org, call_id, run_id, receiver, rpc, idempotency_key, phase, state, meta, payload, request_digest)
       values ('acme', 'retail', '${id}', $1, 'scrum', 'm', 'k', 'TRY', 'ACKNOWLEDGED', '{}', '{}', 'd')`,
    );
    await make(
      "insert into event_identities (tenant, org, source, event_id, digest_version, payload_digest, request_id, position) values ('acme', 'retail', 's', 'e', 1, 'd', $1, 'p')",
    );
    await superuser.query(
      "insert into audit_log (tenant, org, principal, action, outcome, correlation_id) values ('acme', 'retail', 'p', 'a', 'ok', 'c')",
    );
  });

  it.each([
    "update run_streams set closed = false where closed",
    "update run_streams set last_sequence = last_sequence + 1 where closed",
    "update run_streams set last_sequence = last_sequence - 1 where not closed",
    "update run_streams set published_sequence = 0 where closed",
    "update run_streams set published_sequence = 3 where closed",
    "update run_streams set run_id = gen_random_uuid()",
    "update run_events set event = '{}'",
    "delete from run_events",
    "truncate run_events",
    "update seals set outcome = 'FAILED'",
    "delete from seals",
    "update verdicts set verdict = '{\"passed\": true}'",
    "delete from verdicts",
    "truncate verdicts",
    "update attestations set status = 'DISCARDED'",
    "update attestations set envelope = 'x'",
    "delete from attestations",
    "update handoff_calls set state = 'DUE'",
    "update handoff_calls set request_digest = 'x'",
    "update event_identities set payload_digest = 'x'",
    "delete from event_identities",
    "truncate event_identities",
    "update audit_log set outcome = 'denied'",
    "delete from audit_log",
    "delete from runs",
    "truncate runs",
    "update runs set org = 'wholesale'",
    "update runs set run_id = gen_random_uuid()",
    "update runs set requested = '{}'",
  ])("is not written again by its owner: %s", async (sql) => {
    const table = /(?:update|from|truncate) (\w+)/.exec(sql)?.[1];
    expect(Number((await rowsOf(`select count(*) as n from ${table}`))[0]?.n)).toBeGreaterThan(0);
    expect(await trying("migrate", sql)).toBe(refused);
  });

  it("is not opened, registered or answered again by the api either", async () => {
    for (const sql of [
      "update run_streams set closed = false where closed",
      "update run_streams set last_sequence = 9, last_hash = 'x' where closed",
      "update seals set state = 'ABORTED'",
      "update attestations set status = 'DISCARDED', envelope = null",
      "update handoff_calls set state = 'STUCK'",
    ])
      expect({ sql, answer: await trying("api", sql) }).toEqual({ sql, answer: refused });
  });

  it("is still published to its end by the relay", async () => {
    expect(await trying("relay", "update run_streams set published_sequence = 2 where published_sequence = 1")).toBe(1);
  });
});
