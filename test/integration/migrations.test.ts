import { join } from "node:path";
import { Admin, ConfigResourceTypes } from "@platformatic/kafka";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureTopics, TopicConfigError } from "../../src/drivers/kafka/ensure-topics.ts";
import { main } from "../../src/processes/migrate.ts";
import { writeS3Credentials, writeSecrets } from "../support/engines/credential-files.ts";
import type { TestEngines } from "../support/engines/engines.ts";
import { startEngines } from "../support/engines/engines.ts";

let engines: TestEngines;
let superuser: pg.Client;

const migrate = () =>
  main(
    {
      AUTOMATION_LOG_LEVEL: "error",
      AUTOMATION_POSTGRES_ADMIN_URL: engines.postgres.url,
      AUTOMATION_POSTGRES_PASSWORDS_DIR: writeSecrets(join(engines.dir, "passwords"), {
        migrate: "migrate-password",
        api: "api-password\nthe one before it",
        dispatcher: "dispatcher-password",
        relay: "relay-password",
        check: "check-password",
      }),
      AUTOMATION_KAFKA_BROKERS: engines.kafka.brokers.join(","),
      AUTOMATION_KAFKA_CLUSTER: "local",
      AUTOMATION_S3_ENDPOINT: engines.s3.endpoint,
      AUTOMATION_S3_REGION: engines.s3.region,
      AUTOMATION_S3_BUCKET: "automation",
      AUTOMATION_S3_CREDENTIALS_DIR: writeS3Credentials(join(engines.dir, "s3-credentials"), engines.s3),
    },
    AbortSignal.timeout(60_000),
  );

beforeAll(async () => {
  engines = await startEngines({ postgres: true, kafka: true, s3: true });
  superuser = new pg.Client({ connectionString: engines.postgres.url });
  await superuser.connect();
  await Promise.all([migrate(), migrate()]); // two replicas that start at once
});

afterAll(async () => {
  await superuser?.end();
  await engines?.stop();
});

/** Runs a statement as one of the roles. */
async function as(role: string, sql: string): Promise<unknown> {
  const url = new URL(engines.postgres.url);
  url.username = `automation_${role}`;
  url.password = `${role}-password`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
const rowsOf = async (sql: string) => (await superuser.query(sql)).rows;
const inPublic = "n.nspname = 'public'";

describe("migrate", () => {
  it("can be repeated, and takes a changed password over", async () => {
    const before = await rowsOf("select name from schema_migrations order by id");
    expect(before.length).toBeGreaterThan(0);
    await superuser.query("alter role automation_api password 'an old one'");
    await migrate();
    expect(await rowsOf("select name from schema_migrations order by id")).toEqual(before);
    expect(await as("api", "select 1 as one")).toEqual([{ one: 1 }]);
  });

  it("makes roles that neither bypass row-level security nor make anything, and one owner of it all", async () => {
    expect(
      await rowsOf(
        `select rolname from pg_roles where rolname like 'automation%'
         and rolcanlogin and not (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb) order by rolname`,
      ),
    ).toHaveLength(5);
    expect(
      await rowsOf(
        `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where ${inPublic} and c.relowner <> 'automation_migrate'::regrole`,
      ),
    ).toEqual([]);
    await expect(as("api", "create table mine (id int)")).rejects.toMatchObject({ code: "42501" });
  });

  it("gives PUBLIC no table, and no function that runs with its owner's rights", async () => {
    expect(
      await rowsOf(
        `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a where ${inPublic} and a.grantee = 0`,
      ),
    ).toEqual([]);
    expect(
      await rowsOf(
        `select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where ${inPublic} and p.prosecdef and (has_function_privilege('public', p.oid, 'execute') or p.proconfig is null)`,
      ),
    ).toEqual([]);
  });

  it.each([
    ["api", "select * from platform_deliveries"],
    ["api", "insert into platform_deliveries (position) values ('x')"],
    ["relay", "select position from platform_deliveries"],
    ["api", "delete from runs"],
    ["api", "update run_events set event = '{}'"],
    ["api", "update audit_log set outcome = 'ok'"],
    ["api", "select ensure_run_event_partitions()"],
    ["dispatcher", "select * from attestations"],
    ["dispatcher", "select * from signing_keys"],
    ["dispatcher", "update event_identities set payload_digest = ''"],
    ["dispatcher", "insert into methodology_profiles default values"],
    ["relay", "select * from run_requests"],
    ["relay", "select requested from runs"],
    ["relay", "insert into outbox default values"],
  ])("does not let the %s %s", async (role, sql) => {
    await expect(as(role, sql)).rejects.toMatchObject({ code: "42501" });
  });

  it("has a partition for yesterday and each of the 7 days ahead, which the dispatcher may add to", async () => {
    const partitions = () =>
      rowsOf("select inhrelid::regclass::text as name from pg_inherits where inhparent = 'run_events'::regclass");
    expect(await partitions()).toHaveLength(9);
    await superuser.query(`drop table ${(await partitions()).at(-1)?.name}`);
    expect(await as("dispatcher", "select ensure_run_event_partitions() as made")).toEqual([{ made: 1 }]);
    expect(await partitions()).toHaveLength(9);
  });

  it("makes the topics, the quarantine for larger records", async () => {
    const admin = new Admin({ bootstrapBrokers: engines.kafka.brokers, clientId: "test" });
    const { topics } = await admin.metadata({ topics: await admin.listTopics() });
    const [described] = await admin.describeConfigs({
      resources: [
        {
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName: "automation.run.requested.quarantine",
          configurationKeys: ["max.message.bytes"],
        },
      ],
    });
    await admin.close();
    const counts = Object.fromEntries([...topics].map(([name, { partitionsCount }]) => [name, partitionsCount]));
    expect(counts).toMatchObject({
      "automation.run.requested": 12,
      "automation.run.event": 12,
      "automation.governance.event": 3,
      "automation.run.requested.quarantine": 3,
    });
    expect(described?.configs[0]?.value).toBe(String(2 * 1024 * 1024));
  });

  it("names what is wrong with a topic that was there before", async () => {
    const { brokers } = engines.kafka;
    const old = (bytes: number) => [{ topic: "old", partitions: 1, atLeast: { "max.message.bytes": bytes } }];
    await ensureTopics(brokers, old(3_000_000), 1);
    await ensureTopics(brokers, old(2_000_000), 1);
    await expect(ensureTopics(brokers, old(4_000_000), 1)).rejects.toThrow(TopicConfigError);
  });
});
