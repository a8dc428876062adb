import { counter, gauge, histogram, secondsOfCalls, secondsOfWaits } from "../instruments.ts";

const dispositions = counter({
  name: "automation.dispatch.dispositions",
  unit: "{delivery}",
  description: "Deliveries and calls that got their disposition; the reason is the first one, empty for accepted.",
  labels: ["disposition", "reason"],
  processes: ["dispatcher", "api"],
});

const busDelay = histogram({
  name: "automation.event.bus_delay.seconds",
  unit: "s",
  description: "From the time that the bus gives a record to its disposition.",
  labels: [],
  processes: ["dispatcher"],
  buckets: secondsOfWaits,
});

const batches = histogram({
  name: "messaging.process.duration.seconds",
  unit: "s",
  description: "Giving one batch of deliveries its dispositions, until these are durable.",
  labels: ["messaging_system", "outcome"],
  processes: ["dispatcher"],
  buckets: secondsOfCalls,
});

const rejoins = counter({
  name: "automation.dispatch.rejoins",
  unit: "{rejoin}",
  description: "Times that the group of consumers was joined again after a failure.",
  labels: [],
  processes: ["dispatcher"],
});

const pauses = counter({
  name: "automation.dispatch.pauses",
  unit: "{pause}",
  description: "Batches that could not be made durable, so that the topic pauses.",
  labels: [],
  processes: ["dispatcher"],
});

const lag = gauge({
  name: "automation.dispatch.lag.seconds",
  unit: "s",
  description:
    "Age, by the bus's time, of the oldest record that this replica has in hand without a disposition; 0 with none.",
  labels: ["bus"],
  processes: ["dispatcher"],
});

export function deliveryDecided(disposition: string, reason: string, sinceProducedMs?: number): void {
  dispositions({ disposition, reason });
  if (sinceProducedMs !== undefined) busDelay({}, Math.max(0, sinceProducedMs) / 1_000);
}

/** Measures one batch. */
export async function measureBatch<T>(bus: string, handle: () => Promise<T>): Promise<T> {
  const began = performance.now();
  let outcome = "failed";
  try {
    const done = await handle();
    outcome = "done";
    return done;
  } finally {
    batches({ messaging_system: bus, outcome }, (performance.now() - began) / 1_000);
  }
}

/** @param readers - of each bus, asked at each collection; seconds */
export const observeLag = (readers: Readonly<Record<string, () => number>>): void =>
  lag(() => Object.entries(readers).map(([bus, read]) => ({ value: read(), labels: { bus } })));

export const groupRejoined = (): void => rejoins({});
export const topicPaused = (): void => pauses({});
