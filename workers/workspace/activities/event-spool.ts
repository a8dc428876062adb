import { setTimeout as sleep } from "node:timers/promises";
import type { WorkEventJson } from "../../../src/gen/workflows_runtime/v1/work_event_pb.ts";
import { untilItPasses } from "./until-it-passes.ts";

/** Facts that a report carries beside events. They are sent with every try until the api has them. */
export interface StandingFacts {
  readonly baseCommit?: string;
  readonly isRunning?: true;
}

export interface EventSpool {
  /** Takes an event. Settles when there is room for the next one, which slows down boxes that send too many. */
  tell(event: Omit<WorkEventJson, "n">): Promise<void>;
  /** Settles when the api has all events and facts. @throws what ended the spool: the signal's reason, or an error that a repetition can't help */
  flush(facts?: StandingFacts): Promise<ReportAnswer>;
  /** Stops sending. Events that were not flushed are lost. */
  close(): void;
  /** Sends one last event once, without waiting for the others. @throws the signal's reason, or the api's error */
  sendLast(event: Omit<WorkEventJson, "n">, signal: AbortSignal): Promise<void>;
}

export interface ReportAnswer {
  readonly baseCommit: string;
}

/** Sends one report. @throws Error; `isFinal` says whether a repetition can't help */
export type SendReport = (
  report: { readonly events: readonly WorkEventJson[] } & StandingFacts,
  signal: AbortSignal,
) => Promise<ReportAnswer>;

const roomEvents = 1_000;
const roomBytes = 4 * 1024 * 1024;
const batchEvents = 200;
const batchBytes = 1024 * 1024;
const lingerMs = 100;
const longestPauseMs = 10_000;

/**
 * Sends events to the api in order and in batches. It numbers them, so that a batch that is sent twice is stored once. It holds 1,000 events or 4 MiB and never drops one:
 * when it is full, `tell` waits.
 * @param deps.signal - ends the spool; whatever waits for the spool fails with its reason
 */
export function createEventSpool(deps: {
  readonly send: SendReport;
  readonly isFinal: (error: unknown) => boolean;
  readonly signal: AbortSignal;
}): EventSpool {
  const closing = new AbortController();
  const signal = AbortSignal.any([deps.signal, closing.signal]);
  let waiting: { readonly event: WorkEventJson; readonly bytes: number }[] = [];
  let facts: StandingFacts = {};
  let answer: ReportAnswer = { baseCommit: "" };
  let told = 0;
  let waitingBytes = 0;
  let sending: Promise<void> | undefined;
  let failure: { readonly error: unknown } | undefined;
  const roomMade = new Set<() => void>();

  const throwIfFailed = () => {
    if (failure !== undefined) throw failure.error;
  };
  const isFull = () => waiting.length >= roomEvents || waitingBytes >= roomBytes;
  const tellRoom = () => {
    for (const resume of roomMade) resume();
    roomMade.clear();
  };

  const batchOf = () => {
    let bytes = 0;
    const end = waiting.findIndex((each, index) => {
      bytes += each.bytes;
      return index > 0 && (index >= batchEvents || bytes > batchBytes);
    });
    return waiting.slice(0, end < 0 ? waiting.length : end);
  };

  const sendAll = async (): Promise<void> => {
    while (waiting.length > 0 || facts.isRunning !== undefined || facts.baseCommit !== undefined) {
      const batch = batchOf();
      const now = facts;
      answer = await sendOnce({ events: batch.map(({ event }) => event), ...now });
      if (facts === now) facts = {};
      waiting = waiting.slice(batch.length);
      waitingBytes = waiting.reduce((sum, each) => sum + each.bytes, 0);
      if (!isFull()) tellRoom();
    }
  };

  const sendOnce = (report: Parameters<SendReport>[0]): Promise<ReportAnswer> => {
    const isPassing = (error: unknown) => !deps.isFinal(error);
    return untilItPasses(
      () => deps.send(report, signal),
      { isPassing, longestPauseMs, onPause: () => undefined },
      signal,
    );
  };

  const start = (afterMs: number): Promise<void> => {
    sending ??= (afterMs === 0 ? Promise.resolve() : sleep(afterMs, undefined, { signal }))
      .then(sendAll)
      .catch((error: unknown) => {
        failure = { error: signal.aborted ? signal.reason : error };
        tellRoom();
      })
      .finally(() => {
        sending = undefined;
      });
    return sending;
  };

  return {
    async tell(event) {
      throwIfFailed();
      told += 1;
      const numbered: WorkEventJson = { ...event, n: String(told) };
      const bytes = Buffer.byteLength(JSON.stringify(numbered));
      waiting.push({ event: numbered, bytes });
      waitingBytes += bytes;
      void start(lingerMs);
      if (!isFull()) return;
      await new Promise<void>((resume) => roomMade.add(resume));
      throwIfFailed();
    },

    async flush(more = {}) {
      facts = { ...facts, ...more };
      do {
        await start(0);
        throwIfFailed();
      } while (waiting.length > 0);
      return answer;
    },

    close: () => closing.abort(new Error("the work is over")),

    async sendLast(event, limit) {
      told += 1;
      await deps.send({ events: [{ ...event, n: String(told) }] }, limit);
    },
  };
}
