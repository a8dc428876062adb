import { compatibilityPartitioner, ProduceAcks, Producer, stringSerializer } from "@platformatic/kafka";
import type { BusRecord, RecordSink } from "../../runs/outbox/bus-record.ts";
import type { KafkaConnection } from "./client-options.ts";
import { clientOptions } from "./client-options.ts";

/** Kafka did not answer, or refused; the message is the innermost cause. */
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
 * Idempotent, with one request in flight: a request is repeated under its own sequence number, which no other send can take.
 * After a failed send the client and its producer id are given up: the broker can't mistake the next send for a repetition.
 */
export function createKafkaSink(options: KafkaConnection): RecordSink {
  let client: Client | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isHealthy = true;
  let isClosed = false;

  const attempt = async (work: (client: Client) => Promise<unknown>): Promise<void> => {
    if (isClosed) throw new Error("the sink is closed");
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
  const inTurn = (work: (client: Client) => Promise<unknown>): Promise<void> => {
    const turn = last.then(() => attempt(work));
    last = turn.catch(() => undefined);
    return turn;
  };

  return {
    connect: () => inTurn((producer) => producer.initIdempotentProducer({})),
    send: (topic, records) =>
      inTurn((producer) => producer.send({ messages: records.map((record) => toMessage(topic, record)) })),
    healthy: () => isHealthy,
    close: async () => {
      isClosed = true;
      if (client !== undefined) await discard(client);
    },
  };
}

type Client = Producer<string, Buffer | null, Buffer, Buffer>;

const open = (connection: KafkaConnection): Client =>
  new Producer({
    ...clientOptions(connection),
    idempotent: true,
    acks: ProduceAcks.ALL,
    partitioner: compatibilityPartitioner,
    autocreateTopics: false,
    serializers: { key: stringSerializer },
  });

const toMessage = (topic: string, { key, headers, body }: BusRecord) => ({
  topic,
  key: key ?? undefined,
  value: body === null ? null : bufferOf(body),
  // a map of buffers, none of which equals another: a name may come twice
  headers: new Map(headers.map(([name, value]) => [Buffer.from(name), bufferOf(value)])),
});

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const discard = (client: Client): Promise<void> => client.close(true).catch(() => undefined);
