import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterTopicMetadata, Consumer } from "@platformatic/kafka";
import { ListOffsetTimestamps } from "@platformatic/kafka";

const askEveryMs = 10_000;

/** The topic was deleted, made again, or has other partitions: only joining the group again hands them out. */
export class TopicChangedError extends Error {
  override readonly name = "TopicChangedError";
  readonly code = "topic_changed";
  constructor(topic: string) {
    super(`topic ${topic} was deleted, made again or given other partitions; the group is joined again`);
  }
}

type Client = Pick<Consumer, "metadata" | "listOffsets" | "commit">;

/** @throws TopicChangedError when there is none of this name */
export async function topicOf(client: Client, name: string): Promise<ClusterTopicMetadata> {
  const { topics } = await client.metadata({ topics: [name] });
  const topic = topics.get(name);
  if (topic === undefined) throw new TopicChangedError(name);
  return topic;
}

/** Asks again and again until the signal aborts. @throws TopicChangedError when the topic is another one, or has other partitions */
export async function watchTopic(
  client: Client,
  name: string,
  known: ClusterTopicMetadata,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(askEveryMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const { id, partitionsCount } = await topicOf(client, name);
    if (id !== known.id || partitionsCount !== known.partitionsCount) throw new TopicChangedError(name);
  }
}

/** Overwrites the offsets that the group committed for another topic of the same name. */
export async function commitStart(client: Client, topic: string): Promise<void> {
  const starts = await client.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.EARLIEST });
  const offsets = (starts.get(topic) ?? []).map((offset, partition) => ({ topic, partition, offset, leaderEpoch: -1 }));
  await client.commit({ offsets });
}
