import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import type { UpState } from "../../local/up/running-stack.ts";
import { folderOf } from "../../local/up/state-folder.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { requestTopic } from "../../src/runs/outbox/topics.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { brokersOf, newStateDir, removeStateDir, startStack } from "../support/engines/stack.ts";
import { notedProcesses } from "../support/engines/up.ts";
import { publishWork } from "../support/worlds/work-scene.ts";
import { untilCount } from "./bench-world.ts";
import { countStatements } from "./statements.ts";
import { show, spreadOf, table } from "./statistics.ts";

const processes = ["api", "dispatcher", "relay", "worker", "workspace"];
const engines = ["postgres", "kafka", "temporal", "s3"];
const rounds = 3;
const ticksPerSecond = 100;

/** A step of an agent that changes one file at once, and the repository's own tests. */
const works = `
import { writeFileSync } from "node:fs";
writeFileSync("/workspace/src/quick.js", "export const quick = true;\\n");
`;
const kinds = [
  {
    name: "no steps",
    perRound: 200,
    more: { profile: { id: "scrum-team" }, definition: { id: "increment-evidence" } },
  },
  { name: "work", perRound: 4, more: { profile: { id: "worked" }, definition: { id: "works" } } },
];

/** What a run costs each process in CPU, Postgres in statements, and the stores in space: of a run without steps, and of one with an agent's step and tests in boxes. */
export async function benchCosts(): Promise<void> {
  const dir = newStateDir();
  const stack = await startStack(dir, "--demo");
  try {
    const state = stack.state as unknown as UpState;
    const superuser = new pg.Pool({ connectionString: state.postgres.url, max: 1 });
    superuser.on("error", () => undefined); // the server ends before the pool does when a round fails
    const producer = createKafkaSink({ brokers: brokersOf(state), clientId: "bench" });
    await producer.connect();
    await publishWork(dir, "works", works);
    let sent = 0;
    const round = async ({ name, perRound, more }: (typeof kinds)[number]) => {
      const before = await spentBy(dir, superuser);
      sent += perRound;
      await producer.send(
        requestTopic,
        Array.from({ length: perRound }, (_, n) => scrumEvent(`cost-${sent}-${n}`, `PBI-${sent}-${n}`, more)),
      );
      const completed = "select count(*) from runs where event_id like 'cost-%' and status = 'COMPLETED'";
      await untilCount(superuser, completed, sent, 500); // its looks are transactions, too
      const after = await spentBy(dir, superuser);
      console.error(`costs: ${perRound} runs, ${name}`);
      return Object.fromEntries(
        Object.entries(after).map(([what, spent]) => [what, (spent - (before[what] ?? 0)) / perRound]),
      );
    };
    for (const kind of kinds) {
      await round(kind); // warms up
      const costs: Record<string, number>[] = [];
      for (let n = 0; n < rounds; n += 1) costs.push(await round(kind));
      const asked = await countStatements(superuser, folderOf(dir).log("postgres"), () => round(kind));
      const of = (what: string) => show(spreadOf(costs.map((cost) => cost[what] ?? 0)), 1);
      console.log(`\nA run: ${kind.name}\n`);
      console.log(
        table(
          ["CPU", "ms a run"],
          [...processes, ...engines].map((name) => [name, of(name)]),
        ),
      );
      console.log(
        table(
          ["store", "a run"],
          ["rows", "WAL KiB", "tables KiB", "objects", "objects KiB"].map((name) => [name, of(name)]),
        ),
      );
      const perRun = (count: number) => (count / kind.perRound).toFixed(1);
      console.log(
        table(
          ["Postgres", "a run"],
          [
            ...[...asked.byApplication].map(([name, count]) => [`statements of ${name}`, perRun(count)]),
            ["statements", perRun(Array.from(asked.byApplication.values()).reduce((sum, count) => sum + count, 0))],
            ["messages that they come in", perRun(asked.messages)],
            ["transactions, those of the bench's own look included", perRun(asked.transactions)],
            ["fsyncs of the log", perRun(asked.fsyncs)],
          ],
        ),
      );
      const often = asked.byText.filter(([, count]) => count * 10 >= kind.perRound);
      console.log(
        table(
          ["statement, if at least one run in ten makes it", "a run"],
          often.map(([text, count]) => [`\`${text.replaceAll("|", "¦")}\``, perRun(count)]),
        ),
      );
    }
    await Promise.allSettled([producer.close(), superuser.end()]);
  } finally {
    await stack.stop();
    removeStateDir(dir);
  }
}

/** All that has been spent since the start, by name. */
async function spentBy(dir: string, superuser: pg.Pool): Promise<Record<string, number>> {
  const noted = notedProcesses(dir);
  const cpu = [...processes, ...engines].map((name) => [name, cpuMsOf(noted.get(name)?.pid ?? 0)]);
  const { rows } = await superuser.query<Record<string, string>>(
    `select (select sum(n_tup_ins) from pg_stat_user_tables) as "rows",
            pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') / 1024 as "WAL KiB",
            (select sum(pg_total_relation_size(oid)) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace) / 1024 as "tables KiB"`,
  );
  const objects = readdirSync(folderOf(dir).data("s3"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => statSync(join(entry.parentPath, entry.name)).size);
  return {
    ...Object.fromEntries(cpu),
    ...Object.fromEntries(Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)])),
    objects: objects.length,
    "objects KiB": objects.reduce((sum, size) => sum + size, 0) / 1024,
  };
}

/** CPU time of a process and of all below it, also of those that have ended. */
function cpuMsOf(pid: number): number {
  const fields = statOf(pid);
  const own = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0); // user, system, and of children that ended
  const below = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(statOf(Number(name))[1]) === pid);
  return (own * 1_000) / ticksPerSecond + below.reduce((sum, child) => sum + cpuMsOf(Number(child)), 0);
}

/** @returns the fields of a process after its name, as proc(5) lists them; none when it has ended */
function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  } catch {
    return [];
  }
}
