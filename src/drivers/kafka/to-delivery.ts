import type { Message } from "@platformatic/kafka";
import type { Delivery } from "../../requests/delivery.ts";
import type { UnreadableBatch } from "./read-batch.ts";

export type KafkaMessage = Message<Buffer, Buffer, Buffer | null, Buffer | null>;

const none = Buffer.alloc(0);

/** The record as the port has it. Its position is `kafka:<cluster>/<topic>@<topic id>/<partition>/<offset>`, of an unreadable batch `…/<first offset>-<last offset>`. */
export function toDelivery(
  { topic, partition, offset, timestamp, key, headerEntries, value, metadata }: KafkaMessage,
  cluster: string,
  topicId: string,
): Delivery {
  const { unreadable } = metadata as { unreadable?: UnreadableBatch };
  const offsets = unreadable === undefined ? String(offset) : `${unreadable.firstOffset}-${offset}`;
  return {
    bus: "kafka",
    cluster,
    topic,
    position: `kafka:${cluster}/${topic}@${topicId}/${partition}/${offsets}`,
    key: key?.toString() ?? null,
    headers: headerEntries.map(([name, bytes]) => [String(name ?? ""), bytes ?? none]),
    body: value ?? null,
    ...(timestamp > 0n ? { producedAt: new Date(Number(timestamp)) } : {}),
    ...(unreadable === undefined ? {} : { unreadable: unreadable.rule }),
  };
}
