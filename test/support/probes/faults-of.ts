import { dirname } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { expect, vi } from "vitest";
import { automation, brokersOf } from "../engines/stack.ts";
import type { PairsWorld } from "../worlds/pairs-world.ts";
import { loggedNames } from "../worlds/pairs-world.ts";
import { findViolations } from "./invariants.ts";
import { scanLogs } from "./scan-logs.ts";
import { scrumFaults } from "./scrum-faults.ts";

const soon = { timeout: 180_000, interval: 200 };

/**
 * Waits until nothing is under way, and compares Postgres, buses, Temporal, Scrum and logs.
 * @param asked - the events that each had to become one run
 */
export async function faultsOf(world: PairsWorld, asked: readonly string[]): Promise<string[]> {
  const { superuser, stack } = world;
  const { postgres, temporal, dir } = stack.state;
  const rowsOf = async (sql: string) => (await superuser.query(sql)).rows;
  await vi.waitFor(async () => {
    expect(await rowsOf("select run_id, status from runs where ended_at is null")).toEqual([]);
    expect(await rowsOf("select id, kind, topic, run_id from outbox")).toEqual([]);
    expect(await scrumFaults(stack.state, superuser)).toEqual([]);
  }, soon);
  const connection = await Connection.connect({ address: temporal.address });
  try {
    const { workflow } = new Client({ connection, namespace: temporal.namespace });
    await vi.waitFor(async () => expect((await workflow.count("ExecutionStatus = 'Running'")).count).toBe(0), soon);
  } finally {
    await connection.close();
  }
  const faults: string[] = [];
  const runs = new Set((await rowsOf("select event_id as id from runs")).map(({ id }) => String(id)));
  faults.push(...asked.filter((id) => !runs.has(id)).map((id) => `${id} became no run`));
  if (runs.size !== asked.length) faults.push(`${asked.length} events became ${runs.size} runs`);
  const looked = { postgresUrl: postgres.url, brokers: brokersOf(stack.state), cluster: "local" };
  const { violations } = await findViolations(looked, AbortSignal.timeout(120_000));
  faults.push(...violations.map((each) => JSON.stringify(each)));
  const { code, stdout } = await automation("check", "--state", dir);
  if (code !== 0) faults.push(stdout);
  const { faults: logged, lines } = scanLogs(dirname(stack.folder.log("api")), world.secrets, loggedNames);
  if (lines === 0) faults.push("there are no logs");
  return [...faults, ...logged];
}
