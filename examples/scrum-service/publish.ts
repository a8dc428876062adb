import { jetstream } from "@nats-io/jetstream";
import { connect, headers as natsHeaders } from "@nats-io/transport-node";
import { compatibilityPartitioner, ProduceAcks, Producer, stringSerializers } from "@platformatic/kafka";

/** Where events go: a topic of Kafka, or a subject of NATS that a stream of JetStream has. */
export interface Bus {
  readonly name: "Kafka" | "NATS";
  /** HOST:PORT of each broker or server. */
  readonly addresses: readonly string[];
  readonly topic: string;
}

/** A CloudEvent with a JSON body. */
export interface Event {
  /** Events of one key stay in order. */
  readonly key: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Where the bus keeps an event. */
export type Position = { readonly topic: string } & (
  | { readonly partition: number; readonly offset: string }
  | { readonly stream: string; readonly sequence: number }
);

/** Limits in ms and number of retries; a caller is waiting for the answer. */
const patience = { connectTimeout: 2_000, requestTimeout: 5_000, retries: 2, retryDelay: 200 };

/**
 * Publishes in binary mode and waits for the acknowledgement.
 * Connects for each event: they are rare, no connection stays idle between them, and an earlier outage of the bus has no effect.
 * @throws errors of the client; the event may have been written nevertheless
 */
export const publish = (bus: Bus, event: Event): Promise<Position> =>
  bus.name === "Kafka" ? publishToKafka(bus, event) : publishToNats(bus, event);

/** CloudEvents 1.0, Kafka protocol binding: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md */
async function publishToKafka({ addresses, topic }: Bus, { key, attributes, body }: Event): Promise<Position> {
  const producer = new Producer({
    clientId: "scrum-service",
    bootstrapBrokers: [...addresses],
    acks: ProduceAcks.ALL,
    partitioner: compatibilityPartitioner,
    serializers: stringSerializers,
    ...patience,
  });
  const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce_${name}`, value]));
  try {
    const { offsets = [] } = await producer.send({
      acks: ProduceAcks.ALL,
      messages: [{ topic, key, value: body, headers: { ...headers, "content-type": "application/json" } }],
    });
    const [at] = offsets;
    return { topic, partition: at?.partition ?? -1, offset: String(at?.offset ?? "") };
  } finally {
    await producer.close(true).catch(() => undefined); // the answer to the send counts, not the close
  }
}

/** CloudEvents 1.0, NATS protocol binding: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md */
async function publishToNats({ addresses, topic }: Bus, { key, attributes, body }: Event): Promise<Position> {
  const headers = natsHeaders();
  for (const [name, value] of Object.entries({ ...attributes, partitionkey: key }))
    headers.set(`ce-${name}`, encoded(value));
  headers.set("content-type", "application/json");
  const { connectTimeout: timeout, requestTimeout, retries } = patience;
  const connection = await connect({ servers: [...addresses], name: "scrum-service", timeout, reconnect: false });
  try {
    const { stream, seq } = await jetstream(connection, { timeout: requestTimeout }).publish(topic, body, {
      headers,
      retries,
    });
    return { topic, stream, sequence: seq };
  } finally {
    await connection.close();
  }
}

/** Percent-encodes space, quote, percent and all outside printable ASCII, as the CloudEvents HTTP binding has it. */
const encoded = (text: string): string => text.toWellFormed().replaceAll(/[^!#-$&-~]+/gu, encodeURIComponent);
