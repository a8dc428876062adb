import { counter, gauge, histogram, secondsOfWaits } from "../instruments.ts";

export interface OutboxSize {
  readonly rows: number;
  /** 0: nothing waits. */
  readonly oldestSeconds: number;
}

const rows = gauge({
  name: "automation.outbox.pending",
  unit: "{row}",
  description: "Rows of the outbox that the bus does not have yet. Every replica shows the same.",
  labels: [],
  processes: ["relay"],
});

const age = gauge({
  name: "automation.outbox.oldest_pending_age.seconds",
  unit: "s",
  description: "Age of the oldest row of the outbox; 0 when it is empty.",
  labels: [],
  processes: ["relay"],
});

const published = counter({
  name: "automation.outbox.published",
  unit: "{record}",
  description: "Records that the bus has taken: run_event, or record for governance events and quarantined deliveries.",
  labels: ["kind"],
  processes: ["relay"],
});

const delay = histogram({
  name: "automation.outbox.publish_delay.seconds",
  unit: "s",
  description: "From a run event's own time to the answer of the bus that it has it.",
  labels: [],
  processes: ["relay"],
  buckets: secondsOfWaits,
});

const failures = counter({
  name: "automation.outbox.publish_failures",
  unit: "{round}",
  description: "Rounds of a lane that failed and are made again.",
  labels: [],
  processes: ["relay"],
});

/** @param read - asked at each collection */
export function observeOutbox(read: () => Promise<OutboxSize>): void {
  rows(async () => [{ value: (await read()).rows, labels: {} }]);
  age(async () => [{ value: (await read()).oldestSeconds, labels: {} }]);
}

export function eventsPublished(ages: readonly number[], records: number): void {
  if (ages.length > 0) published({ kind: "run_event" }, ages.length);
  if (records > 0) published({ kind: "record" }, records);
  for (const ageMs of ages) delay({}, Math.max(0, ageMs) / 1_000);
}

export const publishFailed = (): void => failures({});
