import { randomUUID } from "node:crypto";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { Pool } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createInScope } from "../../src/drivers/postgres/in-scope.ts";
import type { Notifier } from "../../src/drivers/postgres/notifier.ts";
import { createNotifier } from "../../src/drivers/postgres/notifier.ts";
import { createPool } from "../../src/drivers/postgres/pool.ts";
import type { RunEvent } from "../../src/gen/automation/v1/run_event_pb.ts";
import { WorkflowService } from "../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { InRun } from "../../src/runs/in-run.ts";
import { createInRun, tellAppended, UnknownRunError } from "../../src/runs/in-run.ts";
import type { WatchRuns, WatchUpdate } from "../../src/runs/stream/watch-run.ts";
import { createWatchRuns, SlowReaderError, TooManyWatchersError } from "../../src/runs/stream/watch-run.ts";
import type { InScope } from "../../src/tenancy/transaction.ts";
import { aPrincipal, scopeOf } from "../support/builders/declared.ts";
import type { ApiClient, RunningApi } from "../support/worlds/api.ts";
import { declare, endRun, startApi, startRun, waitUntil } from "../support/worlds/api.ts";

let api: RunningApi;
let acme: ApiClient;
let pool: Pool;
let notifier: Notifier;
let inScope: InScope;
/** Writes as another replica of the api does: in its own transactions, with hints. */
let inRun: InRun;
/** Writes whose hints are all lost. */
let inRunUnheard: InRun;

beforeAll(async () => {
  api = await startApi();
  acme = await api.clientOf();
  await declare(acme);
  pool = createPool({ url: api.database.urlOf("api"), applicationName: "test", max: 8, onError: () => undefined });
  notifier = createNotifier({ url: api.database.urlOf("api"), applicationName: "test", onError: () => undefined });
  inScope = createInScope(pool);
  inRunUnheard = createInRun({ inScope, now: () => new Date() });
  inRun = tellAppended(inRunUnheard, ({ tenant, runId }) =>
    notifier.hint("automation_run_events", `${tenant}/${runId}`),
  );
});
afterAll(async () => {
  await notifier?.close();
  await pool?.end();
  await api?.stop();
});

const say = (write: InRun, runId: string, text: string) =>
  write({ ...scopeOf("acme"), runId }, (open) => open.append([{ writerKey: text, message: { text } }]));
const end = (write: InRun, runId: string) => endRun(write, { ...scopeOf("acme"), runId });
const errorOf = (call: Promise<unknown>) =>
  call.then(() => Promise.reject(new Error("the stream went on")), ConnectError.from);

/** Reads a stream until it ends or `enough` holds. */
async function read(
  client: ApiClient,
  request: { runId: string; afterSequence?: bigint },
  enough: (events: readonly RunEvent[]) => boolean = () => false,
): Promise<RunEvent[]> {
  const stop = new AbortController();
  const events: RunEvent[] = [];
  try {
    for await (const { update } of client.workflows.watchWorkflowRun(request, { signal: stop.signal, timeoutMs: 0 })) {
      if (update.case === "event") events.push(update.value);
      if (enough(events)) break;
    }
    return events;
  } finally {
    stop.abort();
  }
}
const sequences = (events: readonly RunEvent[]) => events.map((event) => Number(event.sequence));
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("watching a run over the api", () => {
  it("tells what was, what comes, and ends with the run", async () => {
    const runId = await startRun(acme);
    await say(inRun, runId, "before");
    const seen: string[] = [];
    const watching = read(acme, { runId }, (events) => {
      seen.splice(0, seen.length, ...events.map((event) => event.payload.case ?? ""));
      return false;
    });
    await waitUntil(async () => seen.length === 2);
    await say(inRun, runId, "after");
    await waitUntil(async () => seen.length === 3);
    await end(inRun, runId);
    const events = await watching;
    expect(sequences(events)).toEqual([1, 2, 3, 4, 5]);
    expect(events.map((event) => event.payload.case)).toEqual(["status", "message", "message", "status", "status"]);
  });

  it("comes with its hint, and without one by looking", async () => {
    const runId = await startRun(acme);
    const arrives = async (write: InRun) => {
      const { run } = await acme.workflows.describeWorkflowRun({ runId });
      const last = run?.lastSequence ?? 0n;
      let isLive = () => {};
      const live = new Promise<void>((done) => {
        isLive = done;
      });
      const stop = new AbortController();
      const options = { signal: stop.signal, timeoutMs: 0 };
      const arrival = (async () => {
        for await (const { update } of acme.workflows.watchWorkflowRun({ runId, afterSequence: last }, options)) {
          if (update.case === "event") return true;
          isLive();
        }
        return false;
      })();
      await live;
      await say(write, runId, randomUUID());
      const hasArrived = await arrival;
      stop.abort();
      return hasArrived;
    };
    expect(await arrives(inRun)).toBe(true);
    expect(await arrives(inRunUnheard)).toBe(true);
  });

  it("is gapless, in order and without repeats for many readers that come and go while many write", async () => {
    const runId = await startRun(acme);
    const writers = 8;
    const eachSays = 60;
    const total = 1 + writers * eachSays + 2;
    const writing = Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        const write = writer % 2 === 0 ? inRun : inRunUnheard;
        for (let n = 0; n < eachSays; n += 1) await say(write, runId, `${writer}/${n}`);
      }),
    ).then(() => end(inRun, runId));
    const readers = Array.from({ length: 12 }, async (_, reader) => {
      const seen: number[] = [];
      let connections = 0;
      while (seen.at(-1) !== total) {
        connections += 1;
        const stopAfter = 1 + ((reader * 37 + connections * 11) % 90);
        const afterSequence = BigInt(seen.at(-1) ?? 0);
        const isSteady = reader === 0;
        const part = await read(acme, { runId, afterSequence }, (events) => !isSteady && events.length >= stopAfter);
        seen.push(...sequences(part));
      }
      return { seen, connections };
    });
    const [all] = await Promise.all([Promise.all(readers), writing]);
    for (const { seen } of all) expect(seen).toEqual(upTo(total));
    expect(all[0]?.connections).toBe(1);
    expect(all[1]?.connections).toBeGreaterThan(3);
  });

  it("reads an ended run from any sequence on, and ends at once past its end", async () => {
    const runId = await startRun(acme);
    // all at once would wait longer for the stream than a lock may
    for (let said = 0; said < 450; said += 25)
      await Promise.all(Array.from({ length: 25 }, (_, n) => say(inRunUnheard, runId, `${said + n}`)));
    await end(inRun, runId);
    expect(sequences(await read(acme, { runId }))).toEqual(upTo(453));
    expect(sequences(await read(acme, { runId, afterSequence: 451n }))).toEqual([452, 453]);
    expect(await read(acme, { runId, afterSequence: 453n })).toEqual([]);
    expect(await read(acme, { runId, afterSequence: 9_999n })).toEqual([]);
  });

  it("ends with the run even for a reader that asked for more than there will be", async () => {
    const runId = await startRun(acme);
    const stream = acme.workflows
      .watchWorkflowRun({ runId, afterSequence: 50n }, { timeoutMs: 0 })
      [Symbol.asyncIterator]();
    expect((await stream.next()).value?.update.case).toBe("heartbeat");
    await end(inRun, runId);
    expect(await stream.next()).toMatchObject({ done: true });
  });

  it("refuses an unknown run and a sequence that is none", async () => {
    const first = (runId: string, afterSequence = 0n) =>
      acme.workflows.watchWorkflowRun({ runId, afterSequence })[Symbol.asyncIterator]().next();
    for (const unknown of [randomUUID(), "no uuid"]) expect((await errorOf(first(unknown))).code).toBe(Code.NotFound);
    const runId = await startRun(acme);
    for (const none of [-1n, 2n ** 60n]) {
      const error = await errorOf(first(runId, none));
      expect({ code: error.code, message: error.rawMessage }).toEqual({
        code: Code.InvalidArgument,
        message: expect.stringMatching(/after_sequence/),
      });
    }
  });

  it("ends when the token does", async () => {
    const runId = await startRun(acme);
    const brief = await api.clientOf({ expiresIn: 2 });
    const error = await errorOf(read(brief, { runId }));
    expect({ code: error.code, message: error.rawMessage }).toEqual({
      code: Code.Unauthenticated,
      message: expect.stringMatching(/expired/),
    });
  });

  it("works over gRPC on the same port, until the caller's deadline", async () => {
    const runId = await startRun(acme);
    const grpc = createClient(WorkflowService, createGrpcTransport({ baseUrl: api.url }));
    const headers = {
      "x-tenant-id": "acme",
      "x-scope-orgid": "retail",
      authorization: `Bearer ${await api.token()}`,
    };
    const events: RunEvent[] = [];
    const watching = (async () => {
      for await (const { update } of grpc.watchWorkflowRun({ runId }, { headers, timeoutMs: 1_000 }))
        if (update.case === "event") events.push(update.value);
    })();
    expect((await errorOf(watching)).code).toBe(Code.DeadlineExceeded);
    expect(sequences(events)).toEqual([1]);
  });

  it("tells readers to go elsewhere when the api shuts down, and the next one goes on where they were", async () => {
    const runId = await startRun(acme);
    const seen: RunEvent[] = [];
    const watching = errorOf(
      read(acme, { runId }, (events) => {
        seen.splice(0, seen.length, ...events);
        return false;
      }),
    );
    await waitUntil(async () => seen.length === 1);
    await api.shut();
    const { code, metadata } = await watching;
    expect([code, metadata.get("retry-after")]).toEqual([Code.Unavailable, "1"]);
    await say(inRun, runId, "meanwhile");
    await api.start();
    await end(inRun, runId);
    expect(sequences(await read(acme, { runId, afterSequence: 1n }))).toEqual([2, 3, 4]);
  });
});

describe("the watchers of one process", () => {
  const watched: WatchRuns[] = [];
  afterEach(() => {
    for (const each of watched.splice(0)) each.close();
  });
  /** Watchers over the same Postgres, with a count of the transactions they make. */
  const watchRuns = (heartbeatMs = 60_000) => {
    const counted = { transactions: 0, failing: false };
    const errors: unknown[] = [];
    const runs = createWatchRuns({
      heartbeatMs,
      onError: (error) => errors.push(error),
      inScope: (tenant, work) => {
        counted.transactions += 1;
        return counted.failing ? Promise.reject(new Error("Query read timeout")) : inScope(tenant, work);
      },
    });
    watched.push(runs);
    return { runs, counted, errors };
  };
  const open = (runs: WatchRuns, runId: string, who = aPrincipal("acme"), signal = new AbortController().signal) =>
    runs.watch({ who, runId, afterSequence: 0n, signal })[Symbol.asyncIterator]();
  const next = async (stream: AsyncIterator<WatchUpdate>): Promise<WatchUpdate | undefined> =>
    (await stream.next()).value;
  const untilLive = async (stream: AsyncIterator<WatchUpdate>): Promise<void> => {
    for (let update = await next(stream); update !== undefined && !("heartbeat" in update); )
      update = await next(stream);
  };

  it("share one look at the run, however many they are", async () => {
    const runId = await startRun(acme);
    const { runs, counted } = watchRuns();
    const streams = Array.from({ length: 20 }, () => open(runs, runId));
    await Promise.all(streams.map(untilLive));
    const before = counted.transactions;
    const arrivals = Promise.all(streams.map(next));
    await say(inRunUnheard, runId, "one for all");
    runs.wake([`acme/${runId}`]);
    const updates = await arrivals;
    expect(updates.every((update) => update !== undefined && "event" in update)).toBe(true);
    expect(counted.transactions - before).toBeLessThan(5);
  });

  it("look once a second for all the runs of a tenant that they watch", async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => startRun(acme)));
    const { runs, counted } = watchRuns();
    const streams = ids.map((runId) => open(runs, runId));
    await Promise.all(streams.map(untilLive));
    const [last = ""] = ids.slice(-1);
    await say(inRunUnheard, last, "the first look");
    await next(streams.at(-1) as AsyncIterator<WatchUpdate>); // those who came before it have looked
    const before = counted.transactions;
    await say(inRunUnheard, last, "the next look");
    expect(await next(streams.at(-1) as AsyncIterator<WatchUpdate>)).toMatchObject({ event: { payload: {} } });
    expect(counted.transactions - before).toBeLessThan(10);
  });

  it("look no more once they have left", async () => {
    const runId = await startRun(acme);
    const { runs, counted } = watchRuns();
    const gone = new AbortController();
    const streams = [open(runs, runId, aPrincipal("acme"), gone.signal), open(runs, runId)];
    await Promise.all(streams.map(untilLive));
    const waiting = expect(next(streams[0] as AsyncIterator<WatchUpdate>)).rejects.toThrow(/left/);
    gone.abort(new Error("left"));
    await waiting;
    await streams[1]?.return?.();
    const before = counted.transactions;
    runs.wake([]);
    runs.wake([`acme/${runId}`]);
    await say(inRunUnheard, runId, "to nobody");
    expect(counted.transactions).toBe(before);
  });

  it("hear a heartbeat when nothing happens for as long as it was set, and none before", async () => {
    const runId = await startRun(acme);
    const [often, seldom] = [50, 600_000].map((heartbeatMs) => watchRuns(heartbeatMs).runs);
    if (often === undefined || seldom === undefined) throw new Error("two were made");
    const [impatient, patient] = [open(often, runId), open(seldom, runId)];
    await Promise.all([untilLive(impatient), untilLive(patient)]);
    for (let n = 0; n < 3; n += 1) expect(await next(impatient)).toEqual({ heartbeat: { lastSequence: 1 } });
    await say(inRunUnheard, runId, "at last");
    expect(await next(patient)).toMatchObject({ event: { sequence: 2n } });
  });

  it("are cut when they don't keep up, with the sequence to go on from, and others are not", async () => {
    const runId = await startRun(acme);
    const { runs } = watchRuns();
    const [slow, quick] = [open(runs, runId), open(runs, runId)];
    await Promise.all([untilLive(slow), untilLive(quick)]);
    for (let batch = 0; batch < 4; batch += 1) {
      await inRunUnheard({ ...scopeOf("acme"), runId }, (run) =>
        run.append(upTo(200).map((n) => ({ writerKey: `${batch}/${n}`, message: { text: "much" } }))),
      );
      runs.wake([`acme/${runId}`]);
      for (let n = 0; n < 200; n += 1) await next(quick);
    }
    await expect(next(slow)).rejects.toThrow(SlowReaderError);
    await expect(open(runs, runId).next()).resolves.toMatchObject({ value: { event: { sequence: 1n } } });
  });

  it("are as many as a tenant may have, and another tenant's are not in their way", async () => {
    const runId = await startRun(acme);
    const { runs } = watchRuns();
    const by = (subject: string) => ({ ...aPrincipal("acme"), subject });
    const streams: ReturnType<typeof open>[] = [];
    for (let subject = 0; subject < 5; subject += 1) {
      const hundred = Array.from({ length: 100 }, () => open(runs, runId, by(`ada-${subject}`)));
      await Promise.all(hundred.map(next));
      streams.push(...hundred);
    }
    await expect(next(open(runs, runId, by("ben")))).rejects.toThrow(TooManyWatchersError);
    await expect(next(open(runs, runId, aPrincipal("globex")))).rejects.toThrow(UnknownRunError);
    await streams[0]?.return?.();
    expect(await next(open(runs, runId, by("ben")))).toMatchObject({ event: { sequence: 1n } });
  });

  it("are as many as a principal may have, and another one's of the tenant are not in their way", async () => {
    const runId = await startRun(acme);
    const { runs } = watchRuns();
    const streams = Array.from({ length: 100 }, () => open(runs, runId));
    await Promise.all(streams.map(next));
    await expect(next(open(runs, runId))).rejects.toThrow(/100 streams of principal ada are open here/);
    expect(await next(open(runs, runId, { ...aPrincipal("acme"), subject: "ben" }))).toBeDefined();
    await streams[0]?.return?.();
    expect(await next(open(runs, runId))).toMatchObject({ event: { sequence: 1n } });
  });

  it("are told when the run can't be read, and not before it was tried again", async () => {
    const runId = await startRun(acme);
    const { runs, counted, errors } = watchRuns();
    const stream = open(runs, runId);
    await untilLive(stream);
    counted.failing = true;
    runs.wake([]);
    await expect(next(stream)).rejects.toThrow(/Query read timeout/);
    expect(errors).toHaveLength(4);
    counted.failing = false;
    await untilLive(open(runs, runId));
  });
});
