import type { Buses } from "../config/buses.ts";
import type { Operator } from "../config/operator.ts";
import { kafkaRetentionMs } from "../drivers/kafka/topic-retention.ts";
import { natsRetentionMs } from "../drivers/nats/stream-retention.ts";
import { requestTopic } from "../runs/outbox/topics.ts";
import type { Log } from "../telemetry/log.ts";

const dayMs = 86_400_000;

/**
 * Warns when the ledger lets go of deliveries that the request topic still holds: read again, they would be recorded, and the quarantined ones published, once more.
 * Identities are kept for ever, so no event gets a second run. A bus that does not answer is asked at the next start.
 */
export async function warnOfTopicRetention(
  { kafka, nats }: Buses,
  { deliveries }: Operator["retention"],
  clientId: string,
  log: Log,
): Promise<void> {
  if (deliveries === undefined) return;
  const topics = {
    kafka: kafka && (() => kafkaRetentionMs({ ...kafka, clientId }, requestTopic)),
    nats: nats && (() => natsRetentionMs({ ...nats, clientId }, requestTopic)),
  };
  for (const [bus, ask] of Object.entries(topics)) {
    const topicDays =
      ask === undefined
        ? 0
        : await ask().then(
            (ms) => ms / dayMs,
            () => 0,
          );
    if (topicDays < deliveries) continue;
    const kept = Number.isFinite(topicDays) ? `${Math.ceil(topicDays)} days` : "no limit of time";
    log.warn(
      { bus, topic: requestTopic, topicKeeps: kept, keptDays: deliveries },
      `the topic keeps requests for ${kept}, and retention.deliveries is ${deliveries}d: set the topic's retention below that, or retention.deliveries above it`,
    );
  }
}
