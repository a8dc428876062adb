import { counter, gauge, histogram, secondsOfCalls, secondsOfWaits } from "../instruments.ts";

/** All tenants together. */
export interface QueueSize {
  readonly waiting: number;
  readonly claimed: number;
  /** Started, and their workflows have not begun. */
  readonly started: number;
  /** 0: nothing waits. */
  readonly oldestWaitingSeconds: number;
}

const depth = gauge({
  name: "automation.queue.runs",
  unit: "{run}",
  description:
    "Runs in the queue: waiting for a place, claimed, or started and not begun. Every replica shows the same.",
  labels: ["state"],
  processes: ["dispatcher"],
});

const age = gauge({
  name: "automation.queue.oldest_age.seconds",
  unit: "s",
  description: "Age of the oldest run that waits for a place; 0 when none does.",
  labels: [],
  processes: ["dispatcher"],
});

const places = gauge({
  name: "automation.queue.places",
  unit: "{run}",
  description: "Most runs that may be claimed, or started and not begun, over all replicas.",
  labels: [],
  processes: ["dispatcher"],
});

const starts = counter({
  name: "automation.run.starts",
  unit: "{start}",
  description:
    "Answers of Temporal to the start of a workflow: started (also when it existed), refused, away (no answer).",
  labels: ["answer"],
  processes: ["dispatcher"],
});

const startDelay = histogram({
  name: "automation.run.start_delay.seconds",
  unit: "s",
  description: "From the acceptance of a run to Temporal's answer that its workflow is started.",
  labels: [],
  processes: ["dispatcher"],
  buckets: secondsOfWaits,
});

const startDuration = histogram({
  name: "automation.run.start_duration.seconds",
  unit: "s",
  description: "One call that starts a workflow.",
  labels: [],
  processes: ["dispatcher"],
  buckets: secondsOfCalls,
});

/** @param read - asked at each collection */
export function observeQueue(read: () => Promise<QueueSize>, mostPlaces: number): void {
  const size = shared(read);
  depth(async () => {
    const { waiting, claimed, started } = await size();
    return [
      { value: waiting, labels: { state: "waiting" } },
      { value: claimed, labels: { state: "claimed" } },
      { value: started, labels: { state: "started" } },
    ];
  });
  age(async () => [{ value: (await size()).oldestWaitingSeconds, labels: {} }]);
  places(() => [{ value: mostPlaces, labels: {} }]);
}

export function startAnswered(answer: string, tookMs: number, sinceAcceptedMs: number): void {
  starts({ answer });
  startDuration({}, tookMs / 1_000);
  if (answer === "started") startDelay({}, Math.max(0, sinceAcceptedMs) / 1_000);
}

/** One reading for all gauges of a collection: calls while one is under way share it. */
function shared<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}
