import { setTimeout as sleep } from "node:timers/promises";
import type { Loop } from "../../loops/loop.ts";
import { createLoop } from "../../loops/loop.ts";
import type { Log } from "../../telemetry/log.ts";
import { eventsPublished, publishFailed } from "../../telemetry/metrics/outbox-metrics.ts";
import { publishSpan } from "../../telemetry/run-spans.ts";
import type { InTransaction } from "../../tenancy/transaction.ts";
import type { BusRecord, Header, RecordSink } from "./bus-record.ts";
import { splitByBytes, toBusRecord } from "./event-record.ts";
import type { HeldLane } from "./lane-lease-store.ts";
import { freeLanes, renewLanes, takeFreeLanes } from "./lane-lease-store.ts";
import type { Goal, OutboxRow, UnpublishedEvent } from "./outbox-store.ts";
import { readOutbox, readUnpublished, settle } from "./outbox-store.ts";
import { runEventTopic } from "./topics.ts";

const sweepMs = 1_000;
/** A quarter of a lease. */
const renewEveryMs = 2_500;
/** Longest wait for sends in flight when the relay stops. */
const drainMs = 5_000;
/** Limits of one round of one lane, which bound memory: rows, and bytes of their content. */
const round = { rows: 500, bytes: 2_097_152 };
/** Kafka refuses a batch above 1 MiB. */
const sendBytes = 786_432;

export interface PublishRunEventsDeps {
  readonly inTransaction: InTransaction;
  /** Called once for each held lane; lanes never share a sink. */
  readonly openSink: () => Pick<RecordSink, "send" | "close">;
  /** Name of this relay in the leases. */
  readonly owner: string;
  readonly log: Log;
}

/** Another relay owns the lane now. */
class LostLaneError extends Error {
  override readonly name = "LostLaneError";
  readonly code = "lost_lane";
}

interface Publisher {
  readonly lane: HeldLane;
  readonly wake: () => void;
  readonly standing: Loop["standing"];
  readonly stop: AbortController;
  readonly work: Promise<void>;
}

/**
 * Publishes the outbox: every committed event at least once, in order within its run.
 *
 *   free   its lease has ended                        a running relay takes every free lane, epoch + 1 → held
 *   held   read → send → settle, one send in flight   settle checks the epoch in the transaction that records what was sent
 *   lost   another epoch                              what was sent but not settled is sent again by the new owner
 *
 * When the bus or Postgres can't be reached, the same rows are read and sent again later. Memory holds one round per lane, however much is waiting. A loop that ends frees its lanes.
 */
export function createPublishRunEvents(deps: PublishRunEventsDeps): Loop {
  const publishers = new Map<number, Publisher>();

  const hold = (lane: HeldLane, signal: AbortSignal): void => {
    const stop = new AbortController();
    const sink = deps.openSink();
    const { wake, run, standing } = createLoop({
      sweepMs,
      round: () => publishRound(deps, lane, sink),
      onError: (error) => {
        if (error instanceof LostLaneError) return stop.abort();
        publishFailed();
        deps.log.warn({ err: error, lane: lane.lane }, "a lane can't be published; trying on");
      },
    });
    const work = run(AbortSignal.any([signal, stop.signal])).finally(async () => {
      if (publishers.get(lane.lane)?.lane === lane) publishers.delete(lane.lane);
      await sink.close();
    });
    publishers.set(lane.lane, { lane, wake, standing, stop, work });
  };

  const tendLeases = async (signal: AbortSignal): Promise<boolean> => {
    const lanes = [...publishers.values()].map((publisher) => publisher.lane);
    const [kept, taken] = await deps.inTransaction((transaction) =>
      Promise.all([renewLanes(transaction, lanes), takeFreeLanes(transaction, deps.owner)]),
    );
    for (const { lane } of lanes) if (!kept.includes(lane)) publishers.get(lane)?.stop.abort();
    for (const lane of taken) hold(lane, signal);
    if (taken.length > 0) deps.log.info({ lanes: taken.map(({ lane }) => lane) }, "publishing these lanes");
    return false;
  };

  const letGo = async (): Promise<void> => {
    const left = [...publishers.values()];
    const drained = Promise.all(left.map(({ work, lane }) => work.then(() => lane)));
    const lanes = await Promise.race([drained, sleep(drainMs, [], { ref: false })]);
    if (lanes.length > 0) await deps.inTransaction((transaction) => freeLanes(transaction, lanes));
  };

  const leases = createLoop({
    sweepMs: renewEveryMs,
    round: tendLeases,
    onError: (error) => deps.log.warn({ err: error }, "leases can't be renewed; trying on"),
  });

  return {
    wake: () => {
      for (const { wake } of publishers.values()) wake();
    },
    standing: () => {
      const all = [leases.standing(), ...[...publishers.values()].map(({ standing }) => standing())];
      return all.find((standing) => standing !== true) ?? true;
    },
    run: async (signal) => {
      await leases.run(signal);
      await letGo().catch((error: unknown) =>
        deps.log.warn({ err: error }, "lanes stay leased until their lease ends"),
      );
    },
  };
}

/** @returns whether there was anything */
async function publishRound(
  { inTransaction }: PublishRunEventsDeps,
  lane: HeldLane,
  sink: Pick<RecordSink, "send">,
): Promise<boolean> {
  const rows = await inTransaction((transaction) => readOutbox(transaction, lane.lane, round));
  if (rows.length === 0) return false;
  const goals = goalsOf(rows);
  const events =
    goals.length === 0 ? [] : await inTransaction((transaction) => readUnpublished(transaction, goals, round));
  const byTopic = Map.groupBy(
    rows.filter(({ kind }) => kind === "record"),
    ({ topic }) => topic,
  );
  const batches: [string, BusRecord[]][] = [
    [runEventTopic, events.map(toBusRecord)],
    ...[...byTopic].map(([topic, records]): [string, BusRecord[]] => [topic, records.map(recordOf)]),
  ];
  const from = new Date();
  for (const [topic, records] of batches)
    for (const part of splitByBytes(records, sendBytes)) await sink.send(topic, part);
  const to = new Date();
  const ages = events.map(({ at }) => to.getTime() - at.getTime());
  eventsPublished(ages, rows.filter(({ kind }) => kind === "record").length);
  for (const [run, ...more] of Map.groupBy(events, ({ runId }) => runId).values())
    if (run !== undefined) publishSpan(run, 1 + more.length, from, to);
  const { published, doneIds } = progressOf(rows, goals, events);
  await inTransaction(async (transaction) => {
    if (!(await settle(transaction, lane, published, doneIds)))
      throw new LostLaneError(`lane ${lane.lane} has another owner than epoch ${lane.epoch}`);
  });
  return true;
}

/** The highest sequence that rows point to, by run, in order of first appearance. */
function goalsOf(rows: readonly OutboxRow[]): Goal[] {
  const goals = new Map<string, Goal>();
  for (const { tenant, runId, throughSequence } of rows) {
    if (tenant === null || runId === null || throughSequence === null) continue;
    const known = goals.get(runId)?.throughSequence ?? 0;
    goals.set(runId, { tenant, runId, throughSequence: Math.max(known, throughSequence) });
  }
  return [...goals.values()];
}

/**
 * Progress of a round. Events are read goal by goal: all goals before that of the last event are reached, and that one up to the event.
 * Without events all goals were reached before.
 */
function progressOf(
  rows: readonly OutboxRow[],
  goals: readonly Goal[],
  events: readonly UnpublishedEvent[],
): { published: Goal[]; doneIds: number[] } {
  const last = events.at(-1);
  const lastGoal = last === undefined ? goals.length : goals.findIndex(({ runId }) => runId === last.runId);
  const published = goals.slice(0, lastGoal);
  if (last !== undefined) published.push({ tenant: last.tenant, runId: last.runId, throughSequence: last.sequence });
  const reached = new Map(published.map(({ runId, throughSequence }) => [runId, throughSequence]));
  const isDone = ({ kind, runId, throughSequence }: OutboxRow): boolean =>
    kind === "record" || (reached.get(runId ?? "") ?? 0) >= (throughSequence ?? 0);
  return { published, doneIds: rows.filter(isDone).map(({ id }) => id) };
}

const recordOf = ({ key, headers, body }: OutboxRow): BusRecord => ({
  key,
  headers: (headers ?? []).map(([name, base64]): Header => [name, Buffer.from(base64, "base64")]),
  body,
});
