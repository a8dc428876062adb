import { compatibilityPartitioner, ProduceAcks, Producer, stringSerializer } from "@platformatic/kafka";
import { clientOptions } from "./client-options.ts";

export interface BusRecord {
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface KafkaProducer {
  connect(): Promise<void>;
  /**
   * Resolves when every replica that must has them. Sends are made one after another, so that what is sent in order arrives in order.
   * After a failure the bus may have them or not: send them again.
   */
  send(topic: string, records: readonly BusRecord[]): Promise<void>;
  /** Whether the last connect or send went well; true before the first. */
  healthy(): boolean;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

/** The bus did not answer, or refused; the message is what happened at the bottom of the client. */
class KafkaSendError extends Error {
  override readonly name = "KafkaSendError";
  readonly code = "kafka_send";
  constructor(cause: unknown) {
    super(innermost(cause), { cause });
  }
}

function innermost(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors.at(-1) : error.cause;
  return inner === undefined ? error.message : innermost(inner);
}

/**
 * Idempotent, with one request in flight: within a send a request is repeated under its own sequence number, which no other send can take.
 * A send that failed ends the client and with it its producer id: the broker knows nothing of the next one that it could mistake for a repetition.
 */
export function createKafkaProducer(options: {
  readonly brokers: readonly string[];
  readonly clientId: string;
}): KafkaProducer {
  let client: BusClient | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isHealthy = true;
  let isClosed = false;

  const attempt = async (work: (client: BusClient) => Promise<unknown>): Promise<void> => {
    if (isClosed) throw new Error("the producer is closed");
    client ??= open(options);
    try {
      await work(client);
      isHealthy = true;
    } catch (error) {
      isHealthy = false;
      void discard(client);
      client = undefined;
      throw new KafkaSendError(error);
    }
  };
  const inTurn = (work: (client: BusClient) => Promise<unknown>): Promise<void> => {
    const turn = last.then(() => attempt(work));
    last = turn.catch(() => undefined);
    return turn;
  };

  return {
    connect: () => inTurn((producer) => producer.initIdempotentProducer({})),
    send: (topic, records) =>
      inTurn((producer) =>
        producer.send({
          messages: records.map(({ key, value, headers }) => ({
            topic,
            key,
            value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
            headers: { ...headers },
          })),
        }),
      ),
    healthy: () => isHealthy,
    close: async () => {
      isClosed = true;
      if (client !== undefined) await discard(client);
    },
  };
}

type BusClient = Producer<string, Buffer, string, string>;

const open = ({ brokers, clientId }: { readonly brokers: readonly string[]; readonly clientId: string }): BusClient =>
  new Producer({
    ...clientOptions(brokers, clientId),
    idempotent: true,
    acks: ProduceAcks.ALL,
    partitioner: compatibilityPartitioner,
    autocreateTopics: false,
    serializers: { key: stringSerializer, headerKey: stringSerializer, headerValue: stringSerializer },
  });

const discard = (client: BusClient): Promise<void> => client.close(true).catch(() => undefined);
