import { readFileSync } from "node:fs";
import pg from "pg";
import { mintToken } from "../../local/issuer/mint-token.ts";
import type { UpState } from "../../local/up/running-stack.ts";
import { createApiClient } from "../../src/client/api-client.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { requestTopic } from "../../src/runs/outbox/topics.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { brokersOf, newStateDir, removeStateDir, startStack } from "../support/engines/stack.ts";
import { notedProcesses } from "../support/engines/up.ts";
import { untilCount } from "./bench-world.ts";
import { quantile, table } from "./statistics.ts";

const events = 100_000;
const step = 20_000;
const watched = 100;
const scope = { tenant: "acme", org: "retail" };
const processes = ["api", "dispatcher", "relay", "worker"];

/**
 * 100,000 events at once, to the local stack with all its processes, which releases and ends runs meanwhile: how fast they are accepted, and how large
 * each process grows; then how late the watchers of the next runs see what happens, while the rest waits.
 */
export async function benchFlood(): Promise<void> {
  const dir = newStateDir();
  const stack = await startStack(dir, "--demo");
  try {
    const state = stack.state as unknown as UpState;
    const superuser = new pg.Pool({ connectionString: state.postgres.url, max: 1 });
    superuser.on("error", () => undefined); // the server ends before the pool does when a round fails
    const producer = createKafkaSink({ brokers: brokersOf(state), clientId: "bench" });
    await producer.connect();
    const noted = notedProcesses(dir);
    const sizes = () => processes.map((name) => (residentBytes(noted.get(name)?.pid ?? 0) / 2 ** 20).toFixed(0));

    const rows = [["0", "", "", ...sizes()]];
    let began = performance.now();
    const publishing = publish(producer);
    for (let accepted = step; accepted <= events; accepted += step) {
      await untilCount(superuser, "select count(*) from run_requests where event_id like 'flood-%'", accepted);
      const now = performance.now();
      const completed = await countOf(superuser, "select count(*) from runs where status = 'COMPLETED'");
      rows.push([`${accepted}`, ((step * 1_000) / (now - began)).toFixed(0), `${completed}`, ...sizes()]);
      began = now;
      console.error(`flood: ${accepted} accepted`);
    }
    await publishing;
    console.log(table(["accepted", "per second", "completed", ...processes.map((name) => `${name} MiB`)], rows));

    const late = await watchNext({ ...state, dir }, superuser);
    console.log(
      table(
        [`what ${watched} watchers see while ${events} wait`, "events", "p50 ms", "p99 ms"],
        [["written → received", `${late.length}`, ...[0.5, 0.99].map((q) => quantile(late, q).toFixed(0))]],
      ),
    );
    await Promise.allSettled([producer.close(), superuser.end()]);
  } finally {
    await stack.stop();
    removeStateDir(dir);
  }
}

async function publish(producer: ReturnType<typeof createKafkaSink>): Promise<void> {
  for (let from = 0; from < events; from += 500)
    await producer.send(
      requestTopic,
      Array.from({ length: 500 }, (_, i) =>
        scrumEvent(`flood-${from + i}`, `PBI-${from + i}`, { profile: { id: "scrum-team" } }),
      ),
    );
}

/** Watches the runs that wait longest from now until each has ended. @returns milliseconds from the time of each event to its arrival */
async function watchNext(state: UpState & { readonly dir: string }, superuser: pg.Pool): Promise<number[]> {
  const signal = AbortSignal.timeout(300_000);
  const token = await mintToken(state, { ...scope, role: "admin", subject: "bench" }, signal);
  const api = createApiClient({ apiUrl: state.api.url, token: () => token, ...scope });
  const { rows: next } = await superuser.query<{ runId: string }>(
    `select run_id as "runId" from run_queue where started_at is null order by queued_at offset 200 limit ${watched}`,
  );
  const late: number[] = [];
  await Promise.all(
    next.map(async ({ runId }) => {
      const since = Date.now();
      for await (const { update } of api.workflows.watchWorkflowRun({ runId }, { signal, timeoutMs: 0 })) {
        if (update.case !== "event") continue;
        const at = Number(update.value.at?.seconds ?? 0n) * 1_000 + (update.value.at?.nanos ?? 0) / 1e6;
        if (at > since) late.push(Date.now() - at);
      }
    }),
  );
  return late;
}

async function countOf(superuser: pg.Pool, sql: string): Promise<number> {
  const { rows } = await superuser.query<{ count: string }>(sql);
  return Number(rows[0]?.count);
}

/** VmRSS of proc_pid_status(5), in bytes. */
const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1_024;
