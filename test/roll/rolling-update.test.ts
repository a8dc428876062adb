import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import pg from "pg";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { declareDemo } from "../../local/demo/declare.ts";
import { readDemoSettings } from "../../local/demo/settings.ts";
import { mintToken } from "../../local/issuer/mint-token.ts";
import { followRun } from "../../src/cli/ask/follow-run.ts";
import type { ApiClient } from "../../src/client/api-client.ts";
import { createApiClient } from "../../src/client/api-client.ts";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { RunStatus } from "../../src/gen/automation/v1/run_event_pb.ts";
import { WorkflowService } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { scrumEvent } from "../support/builders/scrum-event.ts";
import { brokersOf } from "../support/engines/stack.ts";
import { findViolations } from "../support/probes/invariants.ts";
import type { Member, ProcessStack } from "../support/worlds/process-stack.ts";
import { startProcessStack } from "../support/worlds/process-stack.ts";
import { publishWork } from "../support/worlds/work-scene.ts";

/**
 * A rolling update, as the chart does it: of dispatcher, relay and control worker the next one is ready before SIGTERM reaches the last;
 * the workspace worker has its run area for itself, and this api its address, so these are away in between. Meanwhile events, calls and watches go on.
 */
const rounds = 3;
const names = ["dispatcher", "relay", "worker", "workspace", "api"] as const;
const startsFirst: readonly string[] = ["dispatcher", "relay", "worker"];
/** Replaced while a persona works, and while its run is watched. */
const holdsWork: readonly string[] = ["workspace", "api"];
/** Of a busy machine. */
const timeoutMs = 60_000;
const scope = { tenant: "acme", org: "retail" };

const works = `
import { writeFileSync, writeSync } from "node:fs";
writeFileSync("/workspace/src/slow.js", "export const slow = true;\\n");
writeSync(3, JSON.stringify({ type: "message", text: "changed" }) + "\\n");
setTimeout(() => undefined, 2_000);
`;

let stack: ProcessStack;
let superuser: pg.Client;
let api: ApiClient;
let token: string;
const members = new Map<string, Member>();

beforeAll(async () => {
  const signal = AbortSignal.timeout(170_000);
  stack = await startProcessStack(AbortSignal.timeout(1_000_000));
  await stack.migrate();
  for (const name of names) members.set(name, await stack.start(name));
  superuser = new pg.Client({ connectionString: stack.state.postgres.url });
  await superuser.connect();
  token = await mintToken(stack.state, { ...scope, role: "admin", subject: "test" }, signal);
  api = createApiClient({ apiUrl: stack.state.api.url, token: () => token, ...scope, timeoutMs });
  for await (const { outcome } of declareDemo(api, stack.state, readDemoSettings(), signal))
    expect(outcome).not.toBe("conflict");
  await publishWork(stack.state.dir, "works", works);
}, 180_000);

afterAll(async () => {
  await superuser?.end();
  await stack?.close();
});

it("a process that is replaced costs no run, doubles none, and callers only an `unavailable` with a hint", async () => {
  const stop = new AbortController();
  const traffic = startTraffic(stop.signal);
  await vi.waitFor(() => expect(traffic.count("watch")).toBeGreaterThan(3), { timeout: 60_000 });
  for (let round = 1; round <= rounds; round += 1) for (const name of names) await roll(name, traffic);
  stop.abort();
  await traffic.over;

  expect(traffic.faults).toEqual([]);
  expect(traffic.resumed()).toBeGreaterThanOrEqual(rounds); // a stream was open each time
  const asked = traffic.count("event") + traffic.count("start") + traffic.count("work");
  const ended = async () => {
    const { rows } = await superuser.query("select count(*)::int as n from runs where ended_at is not null");
    expect(rows[0].n).toBe(asked);
    expect((await superuser.query("select from outbox")).rowCount).toBe(0);
  };
  await vi.waitFor(ended, { timeout: 60_000, interval: 500 });
  const { postgres } = stack.state;
  const looked = { postgresUrl: postgres.url, brokers: brokersOf(stack.state), cluster: "local" };
  const { violations, counts } = await findViolations(looked, AbortSignal.timeout(60_000));
  expect(violations).toEqual([]);
  expect(counts).toMatchObject({ requested: traffic.count("event"), runs: asked, completed: asked });
}, 900_000);

/** Replaces a process, and waits until it is at work. */
async function roll(name: string, traffic: ReturnType<typeof startTraffic>): Promise<void> {
  if (holdsWork.includes(name)) {
    const runId = await traffic.until("work", askFor("works", "worked"));
    traffic.watch(runId);
    await vi.waitFor(async () => expect(await hasChanged(runId)).toBe(true), { timeout: 60_000, interval: 20 });
  }
  const last = members.get(name);
  const next = startsFirst.includes(name) ? await stack.start(name) : undefined;
  const { work: _, ...before } = traffic.counts();
  expect({ name, ...(await last?.end()) }).toEqual({ name, code: 0, signal: null });
  members.set(name, next ?? (await stack.start(name)));
  // each kind of traffic goes on: events, calls over both protocols, watches to the end of a run
  await vi.waitFor(
    () => {
      for (const [kind, count] of Object.entries(before)) expect(traffic.count(kind), kind).toBeGreaterThan(count);
    },
    { timeout: 30_000, interval: 50 },
  );
}

/** A call that asks for one run, however often it is made. */
function askFor(definition: string, profile: string): () => Promise<string> {
  const scrum = { product: "webshop", sprint: "S-7", backlogItems: ["PBI-2"] };
  const asked = {
    requestId: randomUUID(),
    request: {
      profile: { id: profile },
      definition: { id: definition },
      workKind: "story",
      context: { method: { case: "scrum" as const, value: scrum } },
    },
  };
  return async () => (await api.workflows.startWorkflowRun(asked)).runId;
}

const hasChanged = async (runId: string): Promise<boolean> => {
  const { rowCount } = await superuser.query(
    "select from run_events where run_id = $1 and event->'message'->>'text' = 'changed'",
    [runId],
  );
  return (rowCount ?? 0) > 0;
};

/** Events, and callers that keep on calling: each failure is judged, and the call repeated. */
function startTraffic(signal: AbortSignal) {
  const counts: Record<string, number> = { event: 0, start: 0, watch: 0, connect: 0, grpc: 0 };
  const faults: string[] = [];
  let resumed = 0;
  const done = (kind: string) => {
    counts[kind] = (counts[kind] ?? 0) + 1;
  };
  const until = async <T>(kind: string, call: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        const answer = await call();
        done(kind);
        return answer;
      } catch (error) {
        const fault = faultOf(error);
        if (fault !== undefined) faults.push(`${kind}: ${fault}`);
        await sleep(200);
      }
    }
  };

  const publish = async () => {
    const producer = createKafkaSink({ brokers: brokersOf(stack.state), clientId: "roll" });
    await producer.connect();
    while (!signal.aborted) {
      const more = { definition: { id: "increment-evidence" }, profile: { id: "scrum-team" } };
      await producer.send("automation.run.requested", [scrumEvent(randomUUID(), "PBI-1", more)]);
      done("event");
      await sleep(1_000);
    }
    await producer.close();
  };
  const read = async (kind: string, workflows: Pick<ApiClient["workflows"], "listWorkflowRuns">) => {
    while (!signal.aborted) {
      await until(kind, () => workflows.listWorkflowRuns({ pageSize: 5 }));
      await sleep(100);
    }
  };
  const follow = async (runId: string) => {
    const seen: bigint[] = [];
    const goOn = () =>
      followRun(api, {
        runId,
        after: seen.at(-1) ?? 0n,
        signal: AbortSignal.timeout(120_000),
        onEvent: ({ sequence }) => seen.push(sequence),
        onReconnect: () => {
          resumed += 1;
        },
      });
    const end = await until("watch", () => goOn().catch((error: Error) => Promise.reject(error.cause ?? error)));
    if (end !== RunStatus.COMPLETED) faults.push(`run ${runId} ended as ${end}`);
    if (!seen.every((sequence, index) => sequence === BigInt(index + 1))) faults.push(`run ${runId} was told ${seen}`);
  };
  const watching: Promise<void>[] = [];
  const watch = (runId: string) => {
    watching.push(follow(runId).catch((error) => void faults.push(`watch: ${error}`)));
  };
  const start = async () => {
    while (!signal.aborted) {
      const runId = await until("start", askFor("increment-evidence", "scrum-team"));
      watch(runId);
      await sleep(1_000);
    }
  };

  const headers = { authorization: `Bearer ${token}`, "x-tenant-id": scope.tenant, "x-scope-orgid": scope.org };
  const grpc = createClient(
    WorkflowService,
    createGrpcTransport({
      baseUrl: stack.state.api.url,
      defaultTimeoutMs: timeoutMs,
      interceptors: [
        (next) => (request) => {
          for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
          return next(request);
        },
      ],
    }),
  );
  return {
    until,
    watch,
    counts: () => ({ ...counts }),
    count: (kind: string) => counts[kind] ?? 0,
    faults,
    resumed: () => resumed,
    over: Promise.all([publish(), start(), read("connect", api.workflows), read("grpc", grpc)]).then(() =>
      Promise.all(watching),
    ),
  };
}

/**
 * A closed port, or a connection that nobody had taken yet, can give no hint; every answer has one. In a cluster, pods get no new connections for seconds before SIGTERM.
 * @returns undefined for a failure that a rolling update may cause
 */
function faultOf(error: unknown): string | undefined {
  const { code, message, metadata, cause } = ConnectError.from(error);
  const isLost = cause instanceof Error && "code" in cause && /^(ECONNREFUSED|ECONNRESET)$/.test(String(cause.code));
  return code === Code.Unavailable && (isLost || metadata.has("retry-after")) ? undefined : `${message} ${cause}`;
}
