import { execFileSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Admin } from "@platformatic/kafka";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { engineEnvironment } from "../../local/engines/engine.ts";
import type { CatchUpReport } from "../../src/admission/catch-up.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { seekGroup } from "../../src/drivers/kafka/seek-group.ts";
import { createNatsSink } from "../../src/drivers/nats/nats-sink.ts";
import type { RunEventJson } from "../../src/gen/automation/v1/run_event_pb.ts";
import type { RecordSink } from "../../src/runs/outbox/bus-record.ts";
import { requestGroup, requestTopic, runEventTopic } from "../../src/runs/outbox/topics.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { automation, brokersOf } from "../support/engines/stack.ts";
import { runCli } from "../support/engines/up.ts";
import { faultsOf } from "../support/probes/faults-of.ts";
import { readTopic } from "../support/probes/invariants.ts";
import type { EngineName, PairName, PairsWorld } from "../support/worlds/pairs-world.ts";
import { startPairsWorld } from "../support/worlds/pairs-world.ts";

/** Engines that were restored to an earlier time, while all others went on. */
const patience = { timeout: 120_000, interval: 100 };
const pairs: readonly PairName[] = ["dispatcher", "relay", "api", "worker"];
let world: PairsWorld;
let kafka: RecordSink;
let nats: RecordSink;
const asked: string[] = [];

beforeAll(async () => {
  world = await startPairsWorld(AbortSignal.timeout(1_200_000));
  const { state } = world.stack;
  kafka = createKafkaSink({ brokers: brokersOf(state), clientId: "restored-past" });
  nats = createNatsSink({ servers: state.nats?.servers ?? [], clientId: "restored-past" });
  await world.restartPair("dispatcher", quick);
}, 300_000);
afterAll(async () => {
  await kafka?.close();
  await nats?.close();
  await world?.close();
});

const quick = { AUTOMATION_RECONCILE_AFTER_SECONDS: "2" };

/** @returns the event's id */
async function ask(id: string, sink = kafka): Promise<string> {
  asked.push(id);
  const more = { definition: { id: "increment-evidence" }, profile: { id: "scrum-team" } };
  await sink.send(requestTopic, [scrumEvent(id, id, more)]);
  return id;
}

async function startByApi(requestId: string = crypto.randomUUID()): Promise<string> {
  const scrum = { product: "webshop", sprint: "S-7", backlogItems: [requestId] };
  const request = {
    ...{ profile: { id: "scrum-team" }, definition: { id: "increment-evidence" }, workKind: "story" },
    context: { method: { case: "scrum" as const, value: scrum } },
  };
  await world.api.workflows.startWorkflowRun({ requestId, request });
  return requestId;
}

interface Found {
  readonly runId: string;
  readonly status: string;
  readonly generation: number;
  readonly cause: string | null;
}

const find = async (id: string): Promise<Found | undefined> => {
  const { rows } = await world.superuser.query<Found>(
    `select r.run_id as "runId", r.status, r.generation, s.cause from runs r left join seals s using (tenant, run_id) where r.event_id = $1`,
    [id],
  );
  return rows[0];
};
const until = (id: string, status: string) =>
  vi.waitFor(async () => expect(await find(id)).toMatchObject({ status }), patience);

function tellScrum(method: "POST" | "DELETE", body?: object): Promise<Response> {
  const { state, folder } = world.stack;
  return fetch(`${state.scrum?.url}/behaviour`, {
    method,
    headers: { authorization: `Bearer ${readFileSync(folder.scrumToken, "utf8").trim()}` },
    ...(body && { body: JSON.stringify(body) }),
  });
}
const loseReplies = () => tellScrum("POST", { method: "*", phase: "try", action: "lose_reply" });
const signalWorkers = (by: NodeJS.Signals) => {
  for (const which of [0, 1]) process.kill(world.member("worker", which).pid, by);
};

const copyOf = (engine: EngineName) => join(world.stack.state.dir, `backup-${engine}`);
/** As it stands on its disk while it is stopped. */
const backUp = (engine: EngineName) =>
  world.stack.engines[engine]?.restart("SIGINT", () => copy(world.stack.folder.data(engine), copyOf(engine)));
const restore = (engine: EngineName) =>
  world.stack.engines[engine]?.restart("SIGKILL", () => {
    rmSync(world.stack.folder.data(engine), { recursive: true });
    copy(copyOf(engine), world.stack.folder.data(engine));
  });
const copy = (from: string, to: string) => execFileSync("cp", ["-a", from, to]);

describe("Temporal", () => {
  it("restored to an earlier time: runs that it forgot go on, those that had ended do not begin again", async () => {
    signalWorkers("SIGSTOP");
    const before = await ask("before-backup");
    await until(before, "ADMITTED");
    await backUp("temporal");
    signalWorkers("SIGCONT");
    await until(before, "COMPLETED");
    const ended = await ask("ended-since");
    await until(ended, "COMPLETED");
    await loseReplies();
    const open = await ask("open-since");
    await until(open, "SEALING");
    await restore("temporal");
    await tellScrum("DELETE");
    await until(open, "COMPLETED");
    expect(await Promise.all([before, ended, open].map(find))).toMatchObject([
      ...[{ generation: 1 }, { generation: 1 }, { generation: 2 }],
    ]);
    await until(await ask("new-in-temporal"), "COMPLETED");
    expect(await faultsOf(world, asked)).toEqual([]);
  }, 400_000);

  it("emptied, and every request read again from the oldest one: no second run (F10)", async () => {
    await Promise.all([0, 1].map((which) => world.member("dispatcher", which).end()));
    await world.stack.engines.temporal?.restart("SIGKILL", () =>
      rmSync(world.stack.folder.data("temporal"), { recursive: true }),
    );
    const brokers = brokersOf(world.stack.state);
    const wanted = { group: requestGroup, topic: requestTopic, from: undefined };
    expect(await seekGroup({ brokers, clientId: "restored-past" }, wanted)).toBe(0);
    const admin = new Admin({ clientId: "restored-past", bootstrapBrokers: [...brokers] });
    const read = async () => {
      const [group] = await admin.listConsumerGroupOffsets({ groups: [requestGroup] });
      const [topic] = group?.topics ?? [];
      return (topic?.partitions ?? []).reduce((sum, { committedOffset }) => sum + Number(committedOffset), 0);
    };
    expect(await read()).toBe(0);
    await world.restartPair("dispatcher", quick);
    await vi.waitFor(async () => expect(await read()).toBe(asked.length), patience);
    await admin.close();
    expect(await faultsOf(world, asked)).toEqual([]);
  }, 400_000);
});

describe("Postgres restored to an earlier time", () => {
  it("nothing that Temporal saw ending is executed again, what was prepared is committed, and new runs go on", async () => {
    const old = await ask("old");
    await until(old, "COMPLETED");
    await loseReplies();
    const prepared = await ask("prepared");
    await until(prepared, "SEALING");
    signalWorkers("SIGSTOP");
    const waiting = await ask("waiting");
    await until(waiting, "ADMITTED");
    await backUp("postgres");
    await tellScrum("DELETE");
    signalWorkers("SIGCONT");
    const [later, laterOnNats, called] = [await ask("later"), await ask("later-on-nats", nats), await startByApi()];
    for (const id of [prepared, waiting, later, laterOnNats, called]) await until(id, "COMPLETED");
    const runs = await Promise.all([prepared, waiting, later, laterOnNats, called].map(find));
    await vi.waitFor(async () => expect(await confirmed()).toBe(asked.length + 1), patience);

    const refused = await asDispatcher("catch-up");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("dispatchers read requests from Kafka") });
    await Promise.all(pairs.flatMap((name) => [0, 1].map((which) => world.member(name, which).end())));
    await restore("postgres");
    const { code, stdout, stderr } = await asDispatcher("catch-up", "--json");
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const report: CatchUpReport = JSON.parse(stdout);
    const told = new Map(report.unknown.map((each) => [each.runId, `${each.told} ${each.inPostgres}`]));
    const inPostgres = ["SEALING", "ADMITTED", "absent", "absent", "absent"];
    expect(told).toEqual(new Map(runs.map((run, index) => [run?.runId, `COMPLETED ${inPostgres[index]}`])));

    await Promise.all(pairs.map((name) => world.restartPair(name, name === "dispatcher" ? quick : {})));
    await until(prepared, "COMPLETED");
    expect(await find(prepared)).toMatchObject({ generation: 2 });
    expect(await find(called)).toBeUndefined();
    await startByApi(called);
    for (const [index, id] of [waiting, later, laterOnNats, called].entries()) {
      await until(id, "FAILED");
      expect(await find(id)).toMatchObject({ runId: runs[index + 1]?.runId, generation: 1, cause: "restored" });
    }
    expect(await find(old)).toMatchObject({ status: "COMPLETED", generation: 1 });
    await until(await ask("new"), "COMPLETED");
    await vi.waitFor(
      async () => expect((await world.superuser.query("select id from outbox")).rows).toEqual([]),
      patience,
    );
    const messages = await readTopic(
      { brokers: brokersOf(world.stack.state) },
      runEventTopic,
      AbortSignal.timeout(60_000),
    );
    for (const [index, run] of runs.entries()) {
      const told = messages
        .filter(({ key }) => key === run?.runId)
        .map(({ value }) => JSON.parse(value) as RunEventJson);
      const lastBefore = told.findIndex(({ status }) => status?.status === "RUN_STATUS_COMPLETED");
      const numbers = told.map(({ sequence }) => Number(sequence));
      const [before, since] = [numbers.slice(0, lastBefore + 1), numbers.slice(lastBefore + 1)];
      // a run that the database does not know begins at 1 again; its end has a number that is new, as everything else of the others
      const known = [prepared, waiting].length;
      const fresh = since.filter((sequence) => sequence > Math.max(...before));
      expect(since.length - fresh.length).toBe(index < known ? 0 : 2);
      expect(told.at(-1)).toMatchObject({ sequence: String(Math.max(...numbers)) });
      expect(fresh.length).toBeGreaterThan(0);
    }
    expect((await automation("check", "--state", world.stack.state.dir)).code).toBe(0);
  }, 400_000);
});

/** Runs whose evidence the methodology holds for good. */
const confirmed = async (): Promise<number> => {
  const { rows } = await world.superuser.query(
    "select count(distinct run_id)::int as n from handoff_calls where phase = 'CONFIRM' and state = 'ACKNOWLEDGED'",
  );
  return rows[0].n;
};

/** As an operator calls it, with what a dispatcher is told. */
const asDispatcher = (...args: string[]) =>
  runCli(args, { env: { ...engineEnvironment(), ...world.environmentOf("dispatcher") } });
