import { setTimeout as sleep } from "node:timers/promises";
import type { JetStreamClient } from "@nats-io/jetstream";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { nuid, TimeoutError } from "@nats-io/transport-node";
import type { BusRecord, RecordSink } from "../../runs/outbox/bus-record.ts";
import type { NatsServers } from "./connect-nats.ts";
import { connectNats, requestLimitMs } from "./connect-nats.ts";
import { toHeaders } from "./nats-message.ts";

/** NATS did not answer, or refused. */
class NatsSendError extends Error {
  override readonly name = "NatsSendError";
  readonly code = "nats_send";
  constructor(topic: string, cause: unknown) {
    super(`${topic}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** How long a send that gets no answer is repeated. */
const repeatForMs = 30_000;
const repeatAfterMs = 250;

/** Publishes to subjects of the topics' names, one message at a time. A message that is sent again has the same id, so that the server keeps it once within its window. */
export function createNatsSink(options: NatsServers): RecordSink {
  let connection: Promise<NatsConnection> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let isHealthy = true;
  let isClosed = false;

  const client = async (): Promise<JetStreamClient> => {
    connection ??= connectNats(options, true);
    try {
      return jetstream(await connection, { timeout: requestLimitMs });
    } catch (error) {
      connection = undefined;
      throw error;
    }
  };
  const publish = async (topic: string, record: BusRecord): Promise<void> => {
    const headers = toHeaders(record, nuid.next());
    const until = performance.now() + repeatForMs;
    for (;;)
      try {
        const js = await client();
        const published = js.publish(topic, record.body ?? new Uint8Array(), { headers, retries: 0 });
        // while the client connects anew, its own limit does not count
        await within(requestLimitMs + 1_000, published);
        return;
      } catch (error) {
        if (isClosed || !(error instanceof TimeoutError) || performance.now() > until) throw error;
        await sleep(repeatAfterMs);
      }
  };
  const inTurn = (topic: string, work: () => Promise<unknown>): Promise<void> => {
    const turn = last.then(async () => {
      if (isClosed) throw new Error("the sink is closed");
      try {
        await work();
        isHealthy = true;
      } catch (error) {
        isHealthy = false;
        throw new NatsSendError(topic, error);
      }
    });
    last = turn.catch(() => undefined);
    return turn;
  };

  return {
    connect: () => inTurn("connect", client),
    send: (topic, records) =>
      inTurn(topic, async () => {
        for (const record of records) await publish(topic, record);
      }),
    healthy: () => isHealthy,
    async close() {
      isClosed = true;
      const open = await connection?.catch(() => undefined);
      await open?.close();
    },
  };
}

/** @throws TimeoutError when it takes longer; what comes of it later is dropped */
async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const tooLate = sleep(limitMs, undefined, { signal: ended.signal }).then(() => {
    throw new TimeoutError();
  });
  tooLate.catch(() => undefined);
  work.catch(() => undefined);
  return await Promise.race([work, tooLate]).finally(() => ended.abort());
}
