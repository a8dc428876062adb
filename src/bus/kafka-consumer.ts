import { setTimeout as sleep } from "node:timers/promises";
import type { EachBatchPayload } from "kafkajs";
import { Kafka, logLevel } from "kafkajs";
import "./quiet-request-queue.ts";

/** A record as it stands on the bus. */
export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  /** Lower-case names; a name that comes twice keeps its last value. */
  readonly headers: Readonly<Record<string, string>>;
  readonly value: Uint8Array | null;
}

export interface ConsumerOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly groupId: string;
  readonly topic: string;
  /** Records handed over at once, at most. */
  readonly batchSize: number;
  /** Resolves when the batch is durable; what it throws pauses the partition and the batch comes again. */
  readonly handle: (records: readonly ConsumedRecord[]) => Promise<void>;
  /** Asked while partitions are paused: whether work can go on. */
  readonly canGoOn: () => Promise<boolean>;
  readonly onPause: (error: unknown) => void;
  readonly now: () => Date;
}

export interface KafkaConsumer {
  /** Joins the group and consumes until the signal; resolves when the last batch is done, or 5 s later. Rejects when the client gave up for good. */
  run(signal: AbortSignal): Promise<void>;
  /** Whether the group has answered within a session's length. */
  healthy(): boolean;
}

const sessionTimeoutMs = 10_000;
const heartbeatEveryMs = 1_000;
const probeEveryMs = 500;
const leaveWithinMs = 5_000;

/** Offsets are committed only after `handle` resolved, so a record is handled at least once and never skipped. */
export function createKafkaConsumer(options: ConsumerOptions): KafkaConsumer {
  const kafka = new Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3_000,
    requestTimeout: 15_000,
    retry: { retries: 1_000_000, maxRetryTime: 5_000 },
  });
  const consumer = kafka.consumer({
    groupId: options.groupId,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatEveryMs,
    maxWaitTimeInMs: 500,
    allowAutoTopicCreation: false,
  });
  const paused = new Set<() => void>();
  let heardAt = Number.NEGATIVE_INFINITY;
  const heard = (): void => {
    heardAt = options.now().getTime();
  };

  const eachBatch = async (payload: EachBatchPayload, signal: AbortSignal): Promise<void> => {
    const { batch, heartbeat, isRunning, isStale, pause, resolveOffset } = payload;
    const beat = setInterval(() => void heartbeat().catch(() => undefined), heartbeatEveryMs);
    try {
      for (let from = 0; from < batch.messages.length; from += options.batchSize) {
        if (signal.aborted || !isRunning() || isStale()) return;
        const messages = batch.messages.slice(from, from + options.batchSize);
        const last = messages.at(-1);
        if (last === undefined) return;
        const records = messages.map((message) => ({
          topic: batch.topic,
          partition: batch.partition,
          offset: message.offset,
          key: message.key?.toString() ?? "",
          headers: readHeaders(message.headers ?? {}),
          value: message.value,
        }));
        try {
          await options.handle(records);
        } catch (error) {
          paused.add(pause());
          options.onPause(error);
          return;
        }
        resolveOffset(last.offset);
        await consumer.commitOffsets([
          { topic: batch.topic, partition: batch.partition, offset: String(BigInt(last.offset) + 1n) },
        ]);
        await heartbeat();
      }
    } finally {
      clearInterval(beat);
    }
  };

  const resumeAll = (): void => {
    for (const resume of paused) resume();
    paused.clear();
  };

  /** One loop asks for all paused partitions, whatever paused them. */
  const probe = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await sleep(probeEveryMs, undefined, { signal }).catch(() => undefined);
      if (paused.size > 0 && !signal.aborted && (await options.canGoOn().catch(() => false))) resumeAll();
    }
  };

  return {
    healthy: () => options.now().getTime() - heardAt < sessionTimeoutMs,
    async run(signal) {
      const crashed = Promise.withResolvers<never>();
      crashed.promise.catch(() => undefined);
      consumer.on(consumer.events.GROUP_JOIN, () => {
        heard();
        resumeAll(); // pauses outlive an assignment: what is paused now may be another's partition
      });
      consumer.on(consumer.events.HEARTBEAT, heard);
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart) crashed.reject(payload.error);
      });
      const aborted = new Promise<void>((done) => {
        if (signal.aborted) done();
        else signal.addEventListener("abort", () => done(), { once: true });
      });
      const probing = probe(signal);
      try {
        await Promise.race([connectAndRun(signal), crashed.promise, aborted]);
        await Promise.race([crashed.promise, aborted]);
      } finally {
        // with Kafka away, leaving the group would be tried for ever
        await Promise.race([consumer.disconnect(), sleep(leaveWithinMs, undefined, { ref: false })]);
        if (signal.aborted) await probing;
      }
    },
  };

  async function connectAndRun(signal: AbortSignal): Promise<void> {
    await consumer.connect();
    // `fromBeginning`: an offset out of range, or a new partition, must not skip to the end
    await consumer.subscribe({ topic: options.topic, fromBeginning: true });
    if (signal.aborted) return;
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 4,
      eachBatch: (payload) => eachBatch(payload, signal),
    });
  }
}

function readHeaders(
  headers: NonNullable<EachBatchPayload["batch"]["messages"][number]["headers"]>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase(),
      Array.isArray(value) ? String(value.at(-1)) : String(value ?? ""),
    ]),
  );
}
