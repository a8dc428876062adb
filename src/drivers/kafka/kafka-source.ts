import { setTimeout as sleep } from "node:timers/promises";
import type { MessagesStream } from "@platformatic/kafka";
import type { DeliverySource, SourceOptions } from "../../requests/delivery.ts";
import { isBeyondRetrying } from "./beyond-retrying.ts";
import { BoundedConsumer } from "./bounded-consumer.ts";
import type { KafkaConnection } from "./client-options.ts";
import { clientOptions } from "./client-options.ts";
import type { KafkaMessage } from "./to-delivery.ts";
import { toDelivery } from "./to-delivery.ts";
import { commitStart, TopicChangedError, topicOf, watchTopic } from "./topic-identity.ts";

export interface KafkaSourceOptions extends SourceOptions, KafkaConnection {
  /** Name of these brokers in the operator's bindings. */
  readonly cluster: string;
}

const sessionTimeoutMs = 10_000;
const heartbeatEveryMs = 1_000;
const probeEveryMs = 500;
const rejoinAfterMs = 1_000;
const leaveWithinMs = 5_000;
/** Partitions whose batches are handled at a time. */
const concurrent = 4;
/** What one read brings at most, packed, so that every partition has its share. */
const readBytes = { all: 4_194_304, ofPartition: 262_144 };

/**
 * Reads a topic as a member of a group. Offsets are committed only after `handle` resolved.
 *
 *   joining   a new client joins the group                        → member
 *   member    read → handle → commit; heartbeats go by a timer    a failure ends the client, its offsets stay → joining
 *   paused    a batch can't be handled: it waits in memory,       it comes again → member
 *             nothing more is read, the membership is kept
 *   ended     by the signal, or by an error that retrying can't help
 */
export function createKafkaSource(options: KafkaSourceOptions): DeliverySource {
  const hands = createHands();
  let heardAt = Number.NEGATIVE_INFINITY;
  let lastTopicId: string | undefined;
  const heard = (): void => {
    heardAt = options.now().getTime();
  };

  /** One membership, from its join to its first failure. */
  const consume = async (client: BoundedConsumer, signal: AbortSignal): Promise<void> => {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    client.on("error", failed.reject);
    client.on("consumer:group:join", heard);
    client.on("consumer:heartbeat:end", heard);
    const topic = await topicOf(client, options.topic);
    // offsets that the group committed under the id of another topic mean nothing in this one
    const mode = lastTopicId === undefined || lastTopicId === topic.id ? "committed" : "earliest";
    const stream = await client.consume({ topics: [options.topic], mode, fallbackMode: "earliest" });
    if (mode === "earliest") await commitStart(client, options.topic);
    lastTopicId = topic.id;
    const ended = new AbortController();
    const until = AbortSignal.any([signal, ended.signal]);
    until.addEventListener("abort", () => stream.destroy(), { once: true });
    if (until.aborted) stream.destroy();
    const work = [
      handleReads(options, hands, client, stream, topic.id, until),
      watchTopic(client, options.topic, topic, until),
    ];
    try {
      await Promise.race([...work, failed.promise]);
    } finally {
      ended.abort();
      await Promise.allSettled(work);
    }
  };

  return {
    standing: () => {
      const isHeard = options.now().getTime() - heardAt < sessionTimeoutMs;
      return isHeard ? hands.standing() : "Kafka does not answer";
    },
    lagSeconds: () => hands.lagSeconds(options.now()),
    async run(signal) {
      while (!signal.aborted) {
        const client = open(options);
        const consuming = consume(client, signal);
        try {
          await withinLimit(consuming, signal);
        } catch (error) {
          if (!signal.aborted && isBeyondRetrying(error)) throw error;
          if (!signal.aborted) options.onRejoin(error);
        } finally {
          // while Kafka is away the client would try to leave the group for ever
          await Promise.race([
            client.close(true).catch(() => undefined),
            sleep(leaveWithinMs, undefined, { ref: false }),
          ]);
        }
        await sleep(rejoinAfterMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

/** What is in hand: of each partition when the oldest message that is not committed was produced, and why it waits. */
function createHands() {
  const held = new Map<number, { readonly producedAtMs: number; readonly pausedBy?: unknown }>();
  const hold = ([oldest]: readonly KafkaMessage[], pausedBy?: unknown): void => {
    if (oldest !== undefined) held.set(oldest.partition, { producedAtMs: Number(oldest.timestamp), pausedBy });
  };
  return {
    hold: (messages: readonly KafkaMessage[]) => hold(messages),
    pause: (messages: readonly KafkaMessage[], error: unknown) => hold(messages, error),
    letGo: ([first]: readonly KafkaMessage[]) => void (first && held.delete(first.partition)),
    standing(): true | string {
      for (const [partition, { pausedBy }] of held)
        if (pausedBy !== undefined)
          return `batches of partition ${partition} can't be made durable: ${pausedBy instanceof Error ? pausedBy.message : String(pausedBy)}`;
      return true;
    },
    lagSeconds: (now: Date): number =>
      Math.max(0, ...[...held.values()].map(({ producedAtMs }) => (now.getTime() - producedAtMs) / 1_000)),
  };
}

const open = ({ group, ...connection }: KafkaSourceOptions): BoundedConsumer =>
  new BoundedConsumer({
    ...clientOptions(connection),
    groupId: group,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatEveryMs,
    maxWaitTime: 500,
    maxBytes: readBytes.all,
    maxBytesPerPartition: readBytes.ofPartition,
    highWaterMark: 1, // the next read is under way while one is handled, and no more
    autocommit: false,
    autocreateTopics: false,
  });

/** Read by read, and of a read the partitions side by side. */
async function handleReads(
  options: KafkaSourceOptions,
  hands: ReturnType<typeof createHands>,
  client: BoundedConsumer,
  stream: MessagesStream<Buffer, Buffer, Buffer | null, Buffer | null>,
  topicId: string,
  signal: AbortSignal,
): Promise<void> {
  for await (const first of stream) {
    const messages = [first];
    for (let next = stream.read(); next !== null; next = stream.read()) messages.push(next);
    const current = await topicOf(client, options.topic);
    if (current.id !== topicId) throw new TopicChangedError(options.topic);
    const waiting = [...Map.groupBy(messages, ({ partition }) => partition).values()];
    for (const each of waiting) hands.hold(each);
    const handleNext = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        await handleInOrder(options, hands, client, next, topicId, signal).finally(() => hands.letGo(next));
    };
    await Promise.all(Array.from({ length: concurrent }, handleNext));
    if (signal.aborted) return;
  }
}

/** Batch by batch of one partition, each committed once it is handled; pauses while one can't be. */
async function handleInOrder(
  { batchSize, handle, cluster, canGoOn, onPause }: KafkaSourceOptions,
  hands: ReturnType<typeof createHands>,
  client: BoundedConsumer,
  messages: readonly KafkaMessage[],
  topicId: string,
  signal: AbortSignal,
): Promise<void> {
  for (let done = 0; done < messages.length && !signal.aborted; ) {
    const batch = messages.slice(done, done + batchSize);
    const failure = await handle(batch.map((message) => toDelivery(message, cluster, topicId))).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (failure === undefined) {
      await client.commit({ offsets: batch.slice(-1).map(behind) });
      done += batch.length;
      hands.hold(messages.slice(done));
      continue;
    }
    hands.pause(batch, failure.error);
    onPause(failure.error);
    do await sleep(probeEveryMs, undefined, { signal }).catch(() => undefined);
    while (!signal.aborted && !(await canGoOn().catch(() => false)));
  }
}

const behind = ({ topic, partition, offset, leaderEpoch }: KafkaMessage) => ({
  topic,
  partition,
  leaderEpoch,
  offset: offset + 1n,
});

/** Resolves with the work, or so long after the signal at the latest. */
async function withinLimit(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise: tooLate, resolve } = Promise.withResolvers<void>();
  const onAbort = () => setTimeout(resolve, leaveWithinMs).unref();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([work, tooLate]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
