import { fromJson } from "@bufbuild/protobuf";
import type { RunEvent, RunEventJson } from "../../gen/automation/v1/run_event_pb.ts";
import { RunEventSchema, RunStatus } from "../../gen/automation/v1/run_event_pb.ts";
import { createLoop } from "../../loops/loop.ts";
import { createWakeUp } from "../../loops/wake-up.ts";

/** Reads at most `limit` events of one run after a sequence, in order. */
export type ReadAfter = (sequence: number, limit: number) => Promise<readonly RunEventJson[]>;

/** Events that one watcher of a run has not received yet. */
export interface Follower {
  /** Drops the collected events and starts collecting again. */
  restart(): void;
  /** Removes and returns the collected events. */
  take(): readonly RunEvent[];
  /** More events came than are collected for one watcher. */
  readonly isBehind: boolean;
  /** Why no more events will come. */
  readonly failure: unknown;
  wait(atMostMs: number, signal: AbortSignal): Promise<void>;
  leave(): void;
}

/** Reads the new events of one run once for all its watchers in this process. */
export interface RunTail {
  follow(): Follower;
  wake(): void;
  /** Last sequence that it has read. */
  readonly position: number;
}

export const pageSize = 200;
const keptPerFollower = 512;
/** Reads by itself this often, in case it was never woken. */
const lookMs = 30_000;
/** After this many failed reads in a row the followers get the error. The pauses in between take 1.75 s in total, and each read up to a few seconds. */
const failuresInARow = 4;

/**
 * Reads new events when woken, until the run has ended or nobody follows.
 * @param deps.after - last sequence that is known to exist
 * @param deps.onEmpty - called when nobody follows any more or no more events will come
 */
export function createRunTail(deps: {
  readonly after: number;
  readonly readAfter: ReadAfter;
  readonly onEmpty: () => void;
  readonly onError: (error: unknown) => void;
}): RunTail {
  const followers = new Set<Kept>();
  const stopping = new AbortController();
  let position = deps.after;
  let failures = 0;

  const end = (failure?: unknown): void => {
    stopping.abort();
    deps.onEmpty();
    for (const follower of followers) follower.fail(failure);
  };
  const readOn = async (): Promise<boolean> => {
    const page = await deps.readAfter(position, pageSize);
    failures = 0;
    const events = page.map(readEvent);
    position = Number(events.at(-1)?.sequence ?? position);
    for (const follower of followers) follower.keep(events);
    if (events.some(isEnd)) end();
    return page.length === pageSize;
  };
  const loop = createLoop({
    sweepMs: lookMs,
    round: readOn,
    onError: (error) => {
      deps.onError(error);
      failures += 1;
      if (failures === failuresInARow) end(error);
    },
  });
  void loop.run(stopping.signal);

  return {
    wake: loop.wake,
    get position() {
      return position;
    },
    follow() {
      const kept = keepEvents(() => {
        followers.delete(kept);
        if (followers.size === 0 && !stopping.signal.aborted) end();
      });
      followers.add(kept);
      return kept;
    },
  };
}

interface Kept extends Follower {
  keep(events: readonly RunEvent[]): void;
  fail(error: unknown): void;
}

function keepEvents(leave: () => void): Kept {
  const wakeUp = createWakeUp();
  let kept: RunEvent[] = [];
  let isBehind = false;
  let failure: unknown;
  return {
    restart() {
      kept = [];
      isBehind = false;
    },
    take() {
      const taken = kept;
      kept = [];
      return taken;
    },
    get isBehind() {
      return isBehind;
    },
    get failure() {
      return failure;
    },
    wait: wakeUp.wait,
    leave,
    keep(events) {
      if (isBehind || events.length === 0) return;
      isBehind = kept.length + events.length > keptPerFollower;
      kept = isBehind ? [] : [...kept, ...events];
      wakeUp.wake();
    },
    fail(error) {
      failure = error;
      wakeUp.wake();
    },
  };
}

/** @returns the event as a message; unknown fields of a newer version are dropped */
export function readEvent(event: RunEventJson): RunEvent {
  return fromJson(RunEventSchema, event, { ignoreUnknownFields: true });
}

const ends: readonly RunStatus[] = [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT];

/** @returns whether this is the last event of its run */
export function isEnd({ payload }: RunEvent): boolean {
  return payload.case === "status" && ends.includes(payload.value.status);
}
