import type { RunEvent } from "../../gen/automation/v1/run_event_pb.ts";
import { createLoop } from "../../loops/loop.ts";
import { observeWatchers } from "../../telemetry/metrics/rpc-metrics.ts";
import { everyOrg } from "../../tenancy/bind-scope.ts";
import type { Principal } from "../../tenancy/request-context.ts";
import type { InScope } from "../../tenancy/transaction.ts";
import { isUuid } from "../../tenancy/uuid.ts";
import { UnknownRunError } from "../in-run.ts";
import { findRunWithHead } from "../run-list-store.ts";
import { isEnded } from "../run-status.ts";
import { readEvents, readHeads } from "./run-event-store.ts";
import type { Follower, ReadAfter, RunTail } from "./run-tail.ts";
import { createRunTail, isEnd, pageSize, readEvent } from "./run-tail.ts";

/** The reader consumes events more slowly than the run produces them. */
export class SlowReaderError extends Error {
  override readonly name = "SlowReaderError";
  readonly code = "slow_reader";
  readonly lastSequence: number;
  constructor(runId: string, lastSequence: number) {
    super(
      `the reader of run ${runId} is too slow for its events; watch again with after_sequence ${lastSequence} to go on`,
    );
    this.lastSequence = lastSequence;
  }
}

/** The limit of open streams is reached. */
export class TooManyWatchersError extends Error {
  override readonly name = "TooManyWatchersError";
  readonly code = "too_many_watchers";
  constructor(whose: string, limit: number) {
    super(`${limit} streams of ${whose} are open here, which is the limit; close some, or try again later`);
  }
}

/** `after_sequence` is out of range. */
class InvalidSequenceError extends Error {
  override readonly name = "InvalidSequenceError";
  readonly code = "invalid_sequence";
  constructor(value: bigint) {
    super(`after_sequence ${value} must be 0 (from the start) to ${Number.MAX_SAFE_INTEGER}`);
  }
}

/** This process is shutting down. */
class ShuttingDownError extends Error {
  override readonly name = "ShuttingDownError";
  readonly code = "shutting_down";
  constructor() {
    super("the api is shutting down; watch again with after_sequence set to the last sequence received");
  }
}

export type WatchUpdate =
  | { readonly event: RunEvent }
  /** Nothing new after this sequence. */
  | { readonly heartbeat: { readonly lastSequence: number } };

export interface WatchRuns {
  /**
   * The run's events after a sequence, without gaps: first the stored ones, then live until the run has ended.
   * @throws UnknownRunError, InvalidSequenceError, SlowReaderError, TooManyWatchersError, ShuttingDownError, the signal's reason
   */
  watch(request: {
    readonly who: Principal;
    readonly runId: string;
    readonly afterSequence: bigint;
    readonly signal: AbortSignal;
  }): AsyncIterable<WatchUpdate>;
  /** There may be new events. @param runs - `<tenant>/<runId>`; empty: any run */
  wake(runs: readonly string[]): void;
  /** Ends every stream. */
  close(): void;
}

interface WatchedRun {
  readonly run: { readonly tenant: string; readonly runId: string };
  readonly tail: RunTail;
}

/** How often heads are looked up, so that a lost hint costs a second. */
const pollMs = 1_000;
const maxWatchers = { all: 2_000, ofTenant: 500, ofPrincipal: 100 };

/** @param deps.heartbeatMs - a stream without events sends a heartbeat after this time */
export function createWatchRuns(deps: {
  readonly inScope: InScope;
  readonly heartbeatMs: number;
  readonly onError: (error: unknown) => void;
}): WatchRuns {
  const tails = new Map<string, WatchedRun>();
  const watchers = new Map<string, number>();
  const closing = new AbortController();
  observeWatchers(() => watchers.get("") ?? 0);

  const tailOf = (run: WatchedRun["run"], after: number, readAfter: ReadAfter): RunTail => {
    const key = `${run.tenant}/${run.runId}`;
    const known = tails.get(key);
    if (known !== undefined) return known.tail;
    const tail = createRunTail({
      after,
      readAfter,
      onEmpty: () => {
        if (tails.get(key)?.tail === tail) tails.delete(key);
      },
      onError: deps.onError,
    });
    tails.set(key, { run, tail });
    return tail;
  };
  /** One question for all runs of a tenant, however many are watched. */
  const wakeMoved = async (tenant: string, watched: readonly WatchedRun[]): Promise<void> => {
    const ids = watched.map(({ run }) => run.runId);
    const heads = await deps.inScope({ tenant, org: everyOrg }, (transaction) => readHeads(transaction, tenant, ids));
    for (const { run, tail } of watched) if ((heads.get(run.runId) ?? 0) > tail.position) tail.wake();
  };
  const poll = createLoop({
    sweepMs: pollMs,
    round: async () => {
      const byTenant = Map.groupBy(tails.values(), ({ run }) => run.tenant);
      await Promise.all([...byTenant].map(([tenant, watched]) => wakeMoved(tenant, watched)));
      return false;
    },
    onError: () => {
      for (const { tail } of tails.values()) tail.wake(); // each finds out by itself, and tells its followers
    },
  });
  void poll.run(closing.signal);
  const enter = ({ tenant, subject }: Principal): (() => void) => {
    const places = [
      { key: "", whose: "all tenants", most: maxWatchers.all },
      { key: tenant, whose: `tenant ${tenant}`, most: maxWatchers.ofTenant },
      { key: `${tenant} ${subject}`, whose: `principal ${subject}`, most: maxWatchers.ofPrincipal },
    ];
    for (const { key, whose, most } of places.toReversed())
      if ((watchers.get(key) ?? 0) >= most) throw new TooManyWatchersError(whose, most);
    for (const { key } of places) watchers.set(key, (watchers.get(key) ?? 0) + 1);
    return () => {
      for (const { key } of places) {
        const left = (watchers.get(key) ?? 1) - 1;
        if (left === 0) watchers.delete(key);
        else watchers.set(key, left);
      }
    };
  };

  async function* watch({ who, runId, afterSequence, signal: asked }: Parameters<WatchRuns["watch"]>[0]) {
    if (afterSequence < 0n || afterSequence > BigInt(Number.MAX_SAFE_INTEGER))
      throw new InvalidSequenceError(afterSequence);
    const signal = AbortSignal.any([asked, closing.signal]);
    const { tenant } = who;
    const leave = enter(who);
    let follower: Follower | undefined;
    try {
      const run = isUuid(runId)
        ? await deps.inScope(who, (transaction) => findRunWithHead(transaction, tenant, runId))
        : undefined;
      if (run === undefined) throw new UnknownRunError(runId);
      const readAfter: ReadAfter = (sequence, limit) =>
        deps.inScope(run, (transaction) => readEvents(transaction, run, sequence, limit));
      const after = Number(afterSequence);
      if (isEnded(run.status)) return yield* past(readAfter, after);
      follower = tailOf({ tenant, runId: run.runId }, run.lastSequence, readAfter).follow();
      yield* present(run.runId, readAfter, follower, after, signal);
    } finally {
      follower?.leave();
      leave();
    }
  }

  /** The follower collects events from before the first read on, so that none is missed in between. */
  async function* present(
    runId: string,
    readAfter: ReadAfter,
    follower: Follower,
    after: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchUpdate> {
    let last = after;
    for (let isWhole = false; !isWhole; ) {
      signal.throwIfAborted();
      if (follower.isBehind) follower.restart();
      const page = await readAfter(last, pageSize);
      for (const event of page.map(readEvent)) {
        last = Number(event.sequence);
        yield { event };
        if (isEnd(event)) return;
      }
      isWhole = page.length < pageSize && !follower.isBehind;
    }
    yield { heartbeat: { lastSequence: last } };
    let silentSince = performance.now();
    for (;;) {
      signal.throwIfAborted();
      if (follower.isBehind) throw new SlowReaderError(runId, last);
      const events = follower.take();
      for (const event of events) {
        const isNew = event.sequence > last;
        if (isNew) {
          last = Number(event.sequence);
          silentSince = performance.now();
          yield { event };
        }
        if (isEnd(event)) return;
      }
      if (events.length > 0) continue;
      if (follower.failure !== undefined) throw follower.failure;
      const leftMs = silentSince + deps.heartbeatMs - performance.now();
      if (leftMs <= 0) {
        silentSince = performance.now();
        yield { heartbeat: { lastSequence: last } };
      } else await follower.wait(leftMs, signal);
    }
  }

  return {
    watch,
    wake(runs) {
      const woken = runs.length === 0 ? tails.values() : runs.map((key) => tails.get(key));
      for (const watched of woken) watched?.tail.wake();
    },
    close: () => closing.abort(new ShuttingDownError()),
  };
}

async function* past(readAfter: ReadAfter, after: number): AsyncGenerator<WatchUpdate> {
  for (let last = after; ; ) {
    const page = await readAfter(last, pageSize);
    for (const event of page.map(readEvent)) {
      last = Number(event.sequence);
      yield { event };
    }
    if (page.length < pageSize) return;
  }
}
