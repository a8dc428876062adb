import { readFileSync } from "node:fs";
import { Client, Connection } from "@temporalio/client";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { workflowIdOf } from "../../src/drivers/temporal/contract.ts";
import { requestIdOf, runIdOf } from "../../src/requests/request-identity.ts";
import type { RecordSink } from "../../src/runs/outbox/bus-record.ts";
import { requestTopic } from "../../src/runs/outbox/topics.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { brokersOf } from "../support/engines/stack.ts";
import type { Watch } from "../support/engines/tcp-proxy.ts";
import { faultsOf } from "../support/probes/faults-of.ts";
import type { PairName, PairsWorld } from "../support/worlds/pairs-world.ts";
import { startPairsWorld } from "../support/worlds/pairs-world.ts";

/**
 * Between two steps of a run lies an answer of an engine: a commit, a started workflow, a stored object, a published record, an answer of the methodology. Run by run, processes of one kind
 * are killed when the engine has given the next such answer, and before they know it, until a run ends that has no further one.
 */
const patience = { timeout: 120_000, interval: 50 };
let world: PairsWorld;
let sink: RecordSink;
const asked: string[] = [];

beforeAll(async () => {
  world = await startPairsWorld(AbortSignal.timeout(3_000_000));
  await world.restartPair("dispatcher", { AUTOMATION_RECONCILE_AFTER_SECONDS: "2" });
  sink = createKafkaSink({ brokers: brokersOf(world.stack.state), clientId: "crash-points" });
}, 300_000);
afterAll(async () => {
  await sink?.close();
  await world?.close();
});

type Engine = keyof PairsWorld["proxies"];

interface Ids {
  readonly event: string;
  readonly request: string;
  readonly run: string;
}

/** The steps of a run that one kind of process takes at Postgres: transactions that name the run, and statements outside of any. */
function statementsAbout({ event, request, run }: Ids): Watch {
  const isNamed = (bytes: Buffer) => [event, request, run].some((id) => bytes.includes(id));
  let isOpen = false;
  let isAboutIt = false;
  return {
    isCall: (bytes) => {
      if (/begin[;\0]/.test(bytes.toString("latin1"))) isOpen = true;
      if (isNamed(bytes)) isAboutIt = true;
      const isOver = isOpen ? /(commit|rollback)\0/.exec(bytes.toString("latin1"))?.[1] : isAboutIt && "commit";
      if (!isOver) return false;
      const isStep = isAboutIt && isOver === "commit";
      isOpen = false;
      isAboutIt = false;
      return isStep;
    },
    onAnswer: (bytes) => {
      if (isOpen && isNamed(bytes)) isAboutIt = true; // claimed
    },
  };
}

/** What counts as a step of a kind of process, by whom it asks. */
const stepsOf: Readonly<Record<string, Readonly<Partial<Record<string, (bytes: Buffer) => boolean>>>>> = {
  dispatcher: {
    temporal: (bytes) => bytes.includes("automationRun"),
    kafka: (bytes) => bytes.length > 14 && bytes.readInt16BE(4) === 8 && bytes.includes("automation-dispatcher"),
  },
  api: {
    s3: (bytes) => bytes.subarray(0, 4).toString() === "PUT ",
    scrum: (bytes) => bytes.subarray(0, 5).toString() === "POST ",
  },
  relay: { kafka: (bytes) => bytes.length > 14 && bytes.readInt16BE(4) === 0 && bytes.includes("automation-relay") },
};

/** Kills both processes of a kind at one of their steps, or of those at one engine. @returns the engine that had answered, when it came to that */
function crashAt(name: PairName, ids: Ids, step: number, only?: Engine) {
  let seen = 0;
  const crash: { at?: Engine } = {};
  const counted =
    (watch: (hello: Buffer) => Watch | undefined) =>
    (hello: Buffer): Watch | undefined => {
      const inner = watch(hello);
      return inner && { ...inner, isCall: (bytes) => inner.isCall(bytes) && ++seen === step };
    };
  const set = (engine: Engine, watch: (hello: Buffer) => Watch | undefined) =>
    (only ?? engine) === engine &&
    world.proxies[engine].loseReplies(1, counted(watch), () => {
      for (const which of [0, 1]) process.kill(world.member(name, which).pid, "SIGKILL");
      crash.at = engine;
    });
  const { kafka, temporal, s3, scrum } = stepsOf[name] ?? {};
  set("postgres", (hello) => (hello.includes(`automation_${name}`) ? statementsAbout(ids) : undefined));
  for (const [engine, isCall] of Object.entries({ kafka, temporal, s3, scrum }))
    if (isCall !== undefined) set(engine as Engine, () => ({ isCall }));
  return {
    crash,
    disarm() {
      for (const proxy of Object.values(world.proxies)) proxy.loseReplies(0, () => undefined);
    },
  };
}

const event = (n: string): Ids => {
  const identity = { tenant: "acme", source: "urn:example:scrum", eventId: `crash-${n}` };
  asked.push(identity.eventId);
  return { event: identity.eventId, request: requestIdOf(identity, 0), run: runIdOf(identity, 0) };
};
const ask = (ids: Ids) =>
  sink.send(requestTopic, [
    scrumEvent(ids.event, ids.event, { definition: { id: "increment-evidence" }, profile: { id: "scrum-team" } }),
  ]);

const rowsOf = async (sql: string, run: string) => (await world.superuser.query(sql, [run])).rows;
const statusOf = async ({ run }: Ids) => (await rowsOf("select status from runs where run_id = $1", run))[0]?.status;
/** Nothing is left to do for it. */
const isSettled = async ({ run }: Ids): Promise<boolean> => {
  const [row] = await rowsOf(
    `select r.ended_at is not null and not exists (select from outbox where run_id = r.run_id)
       and not exists (select from handoff_calls c where c.run_id = r.run_id and c.state = 'DUE' and c.next_attempt_at is not null) as settled
     from runs r where run_id = $1`,
    run,
  );
  return row?.settled === true;
};

/**
 * Steps that take place at once have no order, and one may come when the run has ended: an engine that no death was at gets one of its own.
 * @returns the engines after whose answers processes of this kind died, one a run
 */
async function dieAtEachStep(
  name: PairName,
  least: readonly Engine[],
  prepare: (n: string) => Promise<{ ids: Ids; go: () => Promise<unknown> }>,
) {
  const dieAt = async (step: number, only?: Engine): Promise<Engine | undefined> => {
    const { ids, go } = await prepare(`${name}-${asked.length}`);
    const { crash, disarm } = crashAt(name, ids, step, only);
    await go();
    const isOver = async () => crash.at !== undefined || (only === undefined && (await isSettled(ids)));
    await vi.waitFor(async () => expect(await isOver()).toBe(true), patience);
    disarm();
    if (crash.at === undefined) return undefined;
    await world.restartPair(name, name === "dispatcher" ? { AUTOMATION_RECONCILE_AFTER_SECONDS: "2" } : {});
    await vi.waitFor(async () => expect(await isSettled(ids)).toBe(true), patience);
    return crash.at;
  };
  const deaths: Engine[] = [];
  for (;;) {
    const at = await dieAt(deaths.length + 1);
    if (at === undefined) break;
    deaths.push(at);
  }
  for (const engine of least.filter((each) => !deaths.includes(each))) {
    expect(await dieAt(1, engine)).toBe(engine);
    deaths.push(engine);
  }
  return deaths;
}

const fromTheBeginning = async (n: string) => {
  const ids = event(n);
  return { ids, go: () => ask(ids) };
};

it.each([
  { name: "dispatcher", least: ["postgres", "kafka", "temporal"] },
  { name: "api", least: ["postgres", "s3", "scrum"] },
  { name: "relay", least: ["postgres", "kafka"] },
] as const)(
  "both processes $name die after each of their steps, and the run ends once",
  async ({ name, least }) => {
    const deaths = await dieAtEachStep(name, least, fromTheBeginning);
    console.log(`${name}: ${deaths.length} crash points: ${deaths.join(", ")}`);
  },
  900_000,
);

/** A run whose workflow is terminated while the methodology has the try and its answer is lost. */
const fromTheLoss = async (n: string) => {
  const ids = event(n);
  await tellScrum("POST", { method: "*", phase: "try", action: "lose_reply" });
  await ask(ids);
  await vi.waitFor(async () => expect(await statusOf(ids)).toBe("SEALING"), patience);
  return {
    ids,
    go: async () => {
      const { address, namespace } = world.stack.state.temporal;
      const connection = await Connection.connect({ address });
      await new Client({ connection, namespace }).workflow.getHandle(workflowIdOf("acme", ids.run, 1)).terminate();
      await connection.close();
      await tellScrum("DELETE");
    },
  };
};

function tellScrum(method: "POST" | "DELETE", body?: object): Promise<Response> {
  const { state, folder } = world.stack;
  return fetch(`${state.scrum?.url}/behaviour`, {
    method,
    headers: { authorization: `Bearer ${readFileSync(folder.scrumToken, "utf8").trim()}` },
    ...(body && { body: JSON.stringify(body) }),
  });
}

it.each([
  { name: "dispatcher", least: ["postgres"] },
  { name: "api", least: ["postgres", "scrum"] },
] as const)(
  "both processes $name die after each step by which a lost run is found and ended, and it ends once",
  async ({ name, least }) => {
    const deaths = await dieAtEachStep(name, least, fromTheLoss);
    console.log(`reconcile, ${name}: ${deaths.length} crash points: ${deaths.join(", ")}`);
  },
  900_000,
);

it("everything is as after runs without a crash", async () => {
  expect(await faultsOf(world, asked)).toEqual([]);
}, 300_000);
