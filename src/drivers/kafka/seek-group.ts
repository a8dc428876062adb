import { Admin, ListOffsetTimestamps } from "@platformatic/kafka";
import type { KafkaConnection } from "./client-options.ts";
import { clientOptions } from "./client-options.ts";

/**
 * Lets a group read a topic from a moment on.
 * @param from - the oldest record of each partition that was produced then or later is read next; undefined: the oldest one
 * @returns how many members the group has; where it stands can be changed only while it has none
 */
export async function seekGroup(
  connection: KafkaConnection,
  wanted: { readonly group: string; readonly topic: string; readonly from: Date | undefined },
): Promise<number> {
  const { group, topic, from } = wanted;
  const admin = new Admin(clientOptions(connection));
  try {
    const found = (await admin.describeGroups({ groups: [group] })).get(group);
    if (found !== undefined && found.members.size > 0) return found.members.size;
    const { topics } = await admin.metadata({ topics: [topic] });
    const partitions = Array.from({ length: topics.get(topic)?.partitionsCount ?? 0 }, (_, index) => index);
    const offsetsAt = async (timestamp: bigint): Promise<Map<number, bigint>> => {
      const asked = partitions.map((partitionIndex) => ({ partitionIndex, timestamp }));
      const [listed] = await admin.listOffsets({ topics: [{ name: topic, partitions: asked }] });
      return new Map((listed?.partitions ?? []).map(({ partitionIndex, offset }) => [partitionIndex, offset]));
    };
    const [then, ends] = await Promise.all([
      offsetsAt(from === undefined ? ListOffsetTimestamps.EARLIEST : BigInt(from.getTime())),
      offsetsAt(ListOffsetTimestamps.LATEST),
    ]);
    const partitionOffsets = partitions.map((partition) => {
      const offset = then.get(partition) ?? -1n; // -1: nothing was produced since
      return { partition, offset: offset < 0n ? (ends.get(partition) ?? 0n) : offset };
    });
    await admin.alterConsumerGroupOffsets({ groupId: group, topics: [{ name: topic, partitionOffsets }] });
    return 0;
  } finally {
    await admin.close();
  }
}
