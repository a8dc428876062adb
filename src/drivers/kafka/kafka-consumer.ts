import { isUtf8 } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterTopicMetadata, Message, MessagesStream } from "@platformatic/kafka";
import { Consumer, findErrorBy, ListOffsetTimestamps, stringDeserializer } from "@platformatic/kafka";
import { clientOptions } from "./client-options.ts";

/** A record as it stands on the bus. */
export interface ConsumedRecord {
  readonly topic: string;
  /** Of this topic alone: one that is deleted and made again has another. */
  readonly topicId: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  /** Lower-case names; a name that comes twice keeps its last value. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that `headers` does not tell as they came. */
  readonly headerFaults: readonly { readonly name: string; readonly rule: string }[];
  readonly value: Uint8Array | null;
}

export interface ConsumerOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly groupId: string;
  readonly topic: string;
  /** Records handed over at once, at most. */
  readonly batchSize: number;
  /** Resolves when the batch is durable; what it throws pauses its partitions and the batch comes again. */
  readonly handle: (records: readonly ConsumedRecord[]) => Promise<void>;
  /** Asked while partitions are paused: whether work can go on. */
  readonly canGoOn: () => Promise<boolean>;
  readonly onPause: (error: unknown) => void;
  /** Told why the group is joined anew. */
  readonly onRejoin: (error: unknown) => void;
  readonly now: () => Date;
}

export interface KafkaConsumer {
  /** Consumes until the signal; resolves when the batch in hand is done and the group is left, or 5 s later. Rejects with what no waiting mends. */
  run(signal: AbortSignal): Promise<void>;
  /** Whether the group has answered within a session's length. */
  healthy(): boolean;
}

const sessionTimeoutMs = 10_000;
const heartbeatEveryMs = 1_000;
const probeEveryMs = 500;
const rejoinAfterMs = 1_000;
const leaveWithinMs = 5_000;
const watchTopicEveryMs = 10_000;
/** Partitions whose batches are handled at a time. */
const concurrent = 4;
/** What one read brings at most, so that memory stays bounded and every partition has its share. */
const readBytes = { all: 4_194_304, ofPartition: 262_144 };

/** The topic was deleted and perhaps made again, or has other partitions. */
class TopicChangedError extends Error {
  override readonly name = "TopicChangedError";
  readonly code = "topic_changed";
  constructor(topic: string) {
    super(`topic ${topic} was deleted, made again or given other partitions; the group is joined anew`);
  }
}

type Client = Consumer<string, Buffer, Buffer, Buffer>;
type BusMessage = Message<string, Buffer, Buffer, Buffer>;

/**
 * Reads a topic as a member of a group. Offsets are committed only after `handle` resolved, so a record is handled at least once and never skipped.
 *
 *   joining   a new client joins the group                        → member
 *   member    read → handle → commit; heartbeats go by a timer    a failure ends the client, its offsets stay → joining
 *   paused    a batch can't be handled: it waits in memory,       it comes again → member
 *             nothing more is read, the membership is kept
 *   ended     by the signal, or by what no waiting mends
 */
export function createKafkaConsumer(options: ConsumerOptions): KafkaConsumer {
  let heardAt = Number.NEGATIVE_INFINITY;
  let lastTopicId: string | undefined;
  const heard = (): void => {
    heardAt = options.now().getTime();
  };

  /** One membership, from its join to its first failure. */
  const consume = async (client: Client, signal: AbortSignal): Promise<void> => {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    client.on("error", failed.reject);
    client.on("consumer:group:join", heard);
    client.on("consumer:heartbeat:end", heard);
    const topic = await topicOf(client, options.topic);
    // what the group committed under the id of another topic says nothing of this one
    const mode = lastTopicId === undefined || lastTopicId === topic.id ? "committed" : "earliest";
    const stream = await client.consume({ topics: [options.topic], mode, fallbackMode: "earliest" });
    if (mode === "earliest") await commitStart(client, options.topic);
    lastTopicId = topic.id;
    const ended = new AbortController();
    const until = AbortSignal.any([signal, ended.signal]);
    until.addEventListener("abort", () => stream.destroy(), { once: true });
    if (until.aborted) stream.destroy();
    const work = [readOn(client, stream, topic.id, until), watchTopic(client, options.topic, topic, until)];
    try {
      await Promise.race([...work, failed.promise]);
    } finally {
      ended.abort();
      await Promise.allSettled(work);
    }
  };

  const readOn = async (
    client: Client,
    stream: MessagesStream<string, Buffer, Buffer, Buffer>,
    topicId: string,
    signal: AbortSignal,
  ): Promise<void> => {
    for await (const first of stream) {
      const messages = [first];
      for (let next = stream.read(); next !== null; next = stream.read()) messages.push(next);
      const current = await topicOf(client, options.topic);
      if (current.id !== topicId) throw new TopicChangedError(options.topic);
      const waiting = [...Map.groupBy(messages, ({ partition }) => partition).values()];
      const last = new Map<number, BusMessage>();
      const handleNext = async (): Promise<void> => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
          for (const message of await handleInOrder(next, topicId, signal)) last.set(message.partition, message);
      };
      await Promise.all(Array.from({ length: concurrent }, handleNext));
      const offsets = [...last.values()].map(({ topic, partition, offset, leaderEpoch }) => ({
        ...{ topic, partition, leaderEpoch },
        offset: offset + 1n,
      }));
      if (offsets.length > 0) await client.commit({ offsets });
      if (signal.aborted) return;
    }
  };

  /** @returns those that are durable: all, unless the signal aborted before */
  const handleInOrder = async (
    messages: readonly BusMessage[],
    topicId: string,
    signal: AbortSignal,
  ): Promise<readonly BusMessage[]> => {
    let done = 0;
    while (done < messages.length && !signal.aborted) {
      const batch = messages.slice(done, done + options.batchSize);
      try {
        await options.handle(batch.map((message) => recordOf(message, topicId)));
        done += batch.length;
      } catch (error) {
        options.onPause(error);
        do await sleep(probeEveryMs, undefined, { signal }).catch(() => undefined);
        while (!signal.aborted && !(await options.canGoOn().catch(() => false)));
      }
    }
    return messages.slice(0, done);
  };

  return {
    healthy: () => options.now().getTime() - heardAt < sessionTimeoutMs,
    async run(signal) {
      while (!signal.aborted) {
        const client = open(options);
        const consuming = consume(client, signal);
        try {
          await withinLimit(consuming, signal);
        } catch (error) {
          if (!signal.aborted && isBeyondMending(error)) throw error;
          if (!signal.aborted) options.onRejoin(error);
        } finally {
          // with Kafka away, leaving the group would be tried for ever
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

const open = ({ brokers, clientId, groupId }: ConsumerOptions): Client =>
  new Consumer({
    ...clientOptions(brokers, clientId),
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: sessionTimeoutMs,
    heartbeatInterval: heartbeatEveryMs,
    maxWaitTime: 500,
    maxBytes: readBytes.all,
    maxBytesPerPartition: readBytes.ofPartition,
    highWaterMark: 1, // the next read is under way while one is handled, and no more
    autocommit: false,
    autocreateTopics: false,
    deserializers: { key: stringDeserializer },
  });

async function topicOf(client: Client, name: string): Promise<ClusterTopicMetadata> {
  const { topics } = await client.metadata({ topics: [name] });
  const topic = topics.get(name);
  if (topic === undefined) throw new TopicChangedError(name);
  return topic;
}

/** Overwrites what the group committed for a topic of the same name. */
async function commitStart(client: Client, topic: string): Promise<void> {
  const starts = await client.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.EARLIEST });
  const offsets = (starts.get(topic) ?? []).map((offset, partition) => ({ topic, partition, offset, leaderEpoch: -1 }));
  await client.commit({ offsets });
}

/** Rejects when the topic is another one, or has other partitions, which only a new join hands out. */
async function watchTopic(
  client: Client,
  name: string,
  known: ClusterTopicMetadata,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(watchTopicEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const { id, partitionsCount } = await topicOf(client, name);
    if (id !== known.id || partitionsCount !== known.partitionsCount) throw new TopicChangedError(name);
  }
}

const recordOf = (
  { topic, partition, offset, key, headerEntries, value }: BusMessage,
  topicId: string,
): ConsumedRecord => ({
  ...{ topic, topicId, partition },
  offset: String(offset),
  key: key ?? "",
  ...headersOf(headerEntries),
  value: value ?? null,
});

const noBytes = Buffer.alloc(0);

/** Kafka lets a header come twice, and be any bytes. */
function headersOf(entries: BusMessage["headerEntries"]): Pick<ConsumedRecord, "headers" | "headerFaults"> {
  const texts = new Map<string, string>();
  const headerFaults: { name: string; rule: string }[] = [];
  for (const [key = noBytes, value = noBytes] of entries) {
    const name = key.toString().toLowerCase();
    const text = value.toString();
    if (!isUtf8(key) || !isUtf8(value)) headerFaults.push({ name, rule: "must be UTF-8" });
    if ((texts.get(name) ?? text) !== text) headerFaults.push({ name, rule: "must not come twice with two values" });
    texts.set(name, text);
  }
  return { headers: Object.fromEntries(texts), headerFaults };
}

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

/** Access, credentials and what the broker can't do: the same tomorrow as now. All else passes, and the group is joined anew. */
function isBeyondMending(error: unknown): boolean {
  const has = (property: string, values: readonly string[]): boolean =>
    error instanceof Error && values.some((value) => findErrorBy(error, property, value) !== null);
  return (
    has("code", ["PLT_KFK_AUTHENTICATION", "PLT_KFK_UNSUPPORTED_API", "PLT_KFK_UNSUPPORTED_COMPRESSION"]) ||
    has("apiId", [
      ...["TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"],
      ...["SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "UNSUPPORTED_VERSION"],
      ...["INVALID_GROUP_ID", "INVALID_SESSION_TIMEOUT", "INCONSISTENT_GROUP_PROTOCOL", "INVALID_TOPIC_EXCEPTION"],
    ])
  );
}
