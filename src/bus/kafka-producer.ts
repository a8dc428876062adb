import { Kafka, logLevel, Partitioners } from "kafkajs";
import "./quiet-request-queue.ts";

export interface BusRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface KafkaProducer {
  connect(): Promise<void>;
  /** Resolves when every replica that must has it; records of one key stay in order. */
  send(topic: string, records: readonly BusRecord[]): Promise<void>;
  /** Whether the last connect or send went well. */
  healthy(): boolean;
  close(): Promise<void>;
}

/** Idempotent, one request in flight: what is sent in order arrives in order. */
export function createKafkaProducer(options: {
  readonly brokers: readonly string[];
  readonly clientId: string;
}): KafkaProducer {
  const kafka = new Kafka({
    brokers: [...options.brokers],
    clientId: options.clientId,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
  });
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  let healthy = false;
  const watched = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work;
      healthy = true;
    } catch (error) {
      healthy = false;
      throw error;
    }
  };
  return {
    connect: () => watched(producer.connect()),
    send: (topic, records) =>
      watched(
        producer.send({
          topic,
          acks: -1,
          messages: records.map(({ key, value, headers }) => ({
            key,
            value: Buffer.from(value),
            headers: { ...headers },
          })),
        }),
      ),
    healthy: () => healthy,
    close: () => producer.disconnect(),
  };
}
