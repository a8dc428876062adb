import { setTimeout as sleep } from "node:timers/promises";
import type { Loop } from "../../loops/loop.ts";
import { createLoop } from "../../loops/loop.ts";
import { createWakeUp } from "../../loops/wake-up.ts";
import type { Log } from "../../telemetry/log.ts";
import { eventsPublished, publishFailed } from "../../telemetry/metrics/outbox-metrics.ts";
import { publishSpan } from "../../telemetry/run-spans.ts";
import type { InTransaction, Transaction } from "../../tenancy/transaction.ts";
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
/** A relay that is busy publishes 20 times a second, so that one round has what many runs did. The first event after a pause goes out at once. */
const shortestGapMs = 50;
/** Longest wait for sends in flight when the relay stops. */
const drainMs = 5_000;
/** Limits of one round, which bound memory: rows, and bytes of their content. */
const round = { rows: 500, bytes: 2_097_152 };
/** Kafka refuses a batch above 1 MiB. */
const sendBytes = 786_432;

export interface PublishRunEventsDeps {
  readonly inTransaction: InTransaction;
  /** Each statement is a transaction of its own. */
  readonly statements: Transaction;
  /** Called once. */
  readonly openSink: () => Pick<RecordSink, "send" | "close">;
  /** Name of this relay in the leases. */
  readonly owner: string;
  readonly log: Log;
}

/**
 * Publishes the outbox: every committed event at least once, in order within its run. Lanes share the work out between relays; what one relay holds it publishes together.
 *
 *   free   its lease has ended                        a running relay takes every free lane, epoch + 1 → held
 *   held   read → send → settle, one round in flight  settle checks the epoch in the statement that records what was sent
 *   lost   another epoch                              what was sent but not settled is sent again by the new owner
 *
 * When the bus or Postgres can't be reached, the same rows are read and sent again later. Memory holds one round, however much is waiting. A loop that ends frees its lanes.
 */
export function createPublishRunEvents(deps: PublishRunEventsDeps): Loop {
  const held = new Map<number, HeldLane>();
  const keep = (lanes: readonly HeldLane[], kept: readonly number[]): void => {
    for (const { lane, epoch } of lanes) if (!kept.includes(lane) && held.get(lane)?.epoch === epoch) held.delete(lane);
  };

  let roundBegan = Number.NEGATIVE_INFINITY;
  let sink: Pick<RecordSink, "send" | "close">;
  const publishing = createLoop({
    sweepMs,
    round: async (signal) => {
      const leftMs = roundBegan + shortestGapMs - performance.now();
      if (leftMs > 0) await createWakeUp().wait(leftMs, signal); // nobody wakes it
      roundBegan = performance.now();
      const lanes = [...held.values()];
      if (lanes.length === 0) return false;
      const { kept, mayBeMore } = await publishRound(deps, lanes, sink);
      keep(lanes, kept);
      return mayBeMore;
    },
    onError: (error) => {
      publishFailed();
      deps.log.warn({ err: error, lanes: [...held.keys()] }, "the outbox can't be published; trying on");
    },
  });

  const leases = createLoop({
    sweepMs: renewEveryMs,
    round: async () => {
      const lanes = [...held.values()];
      const [kept, taken] = await deps.inTransaction((transaction) =>
        Promise.all([renewLanes(transaction, lanes), takeFreeLanes(transaction, deps.owner)]),
      );
      keep(lanes, kept);
      for (const lane of taken) held.set(lane.lane, lane);
      if (taken.length > 0) {
        deps.log.info({ lanes: taken.map(({ lane }) => lane) }, "publishing these lanes");
        publishing.wake();
      }
      return false;
    },
    onError: (error) => deps.log.warn({ err: error }, "leases can't be renewed; trying on"),
  });

  const standing = (): true | string => {
    const faults = [leases.standing(), publishing.standing()];
    return faults.find((fault) => fault !== true) ?? true;
  };

  return {
    wake: publishing.wake,
    standing,
    run: async (signal) => {
      sink = deps.openSink();
      const published = publishing.run(signal).finally(() => sink.close());
      await leases.run(signal);
      const isDrained = await Promise.race([published.then(() => true), sleep(drainMs, false, { ref: false })]);
      if (!isDrained) return;
      await deps
        .inTransaction((transaction) => freeLanes(transaction, [...held.values()]))
        .catch((error: unknown) => deps.log.warn({ err: error }, "lanes stay leased until their lease ends"));
    },
  };
}

/** Publishes one topic after the other. One that can't be published holds up no other: what was sent is recorded, then its error is thrown. */
async function publishRound(
  { statements }: PublishRunEventsDeps,
  lanes: readonly HeldLane[],
  sink: Pick<RecordSink, "send">,
): Promise<{ readonly kept: readonly number[]; readonly mayBeMore: boolean }> {
  const { rows, mayBeMore } = await readOutbox(statements, lanes, round);
  if (rows.length === 0) return { kept: lanes.map(({ lane }) => lane), mayBeMore: false };
  const goals = goalsOf(rows);
  const events = goals.length === 0 ? [] : await readUnpublished(statements, goals, round);
  const progress = progressOf(rows, goals, events);
  const failures: unknown[] = [];
  const send = async (topic: string, records: readonly BusRecord[]): Promise<boolean> => {
    try {
      for (const part of splitByBytes(records, sendBytes)) await sink.send(topic, part);
      return true;
    } catch (error) {
      failures.push(error);
      return false;
    }
  };
  const from = new Date();
  const areEventsSent = await send(runEventTopic, events.map(toBusRecord));
  const to = new Date();
  const doneIds = areEventsSent ? [...progress.doneIds] : [];
  const records = rows.filter(({ kind }) => kind === "record");
  let recordsSent = 0;
  for (const [topic, ofTopic] of Map.groupBy(records, (row) => row.topic)) {
    if (!(await send(topic, ofTopic.map(recordOf)))) continue;
    doneIds.push(...ofTopic.map(({ id }) => id));
    recordsSent += ofTopic.length;
  }
  eventsPublished(areEventsSent ? events.map(({ at }) => to.getTime() - at.getTime()) : [], recordsSent);
  for (const [run, ...more] of Map.groupBy(areEventsSent ? events : [], ({ runId }) => runId).values())
    if (run !== undefined) publishSpan(run, 1 + more.length, from, to);
  const kept = await settle(statements, lanes, areEventsSent ? progress.published : [], doneIds);
  if (failures.length > 0) throw failures[0];
  return { kept, mayBeMore: mayBeMore || doneIds.length < rows.length };
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
    kind === "run_events" && (reached.get(runId ?? "") ?? 0) >= (throughSequence ?? 0);
  return { published, doneIds: rows.filter(isDone).map(({ id }) => id) };
}

const recordOf = ({ key, headers, body }: OutboxRow): BusRecord => ({
  key,
  headers: (headers ?? []).map(([name, base64]): Header => [name, Buffer.from(base64, "base64")]),
  body,
});
