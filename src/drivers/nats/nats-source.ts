import { setTimeout as sleep } from "node:timers/promises";
import type { JsMsg } from "@nats-io/jetstream";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { nanos } from "@nats-io/transport-node";
import type { DeliverySource, SourceOptions } from "../../requests/delivery.ts";
import type { NatsServers } from "./connect-nats.ts";
import { connectNats } from "./connect-nats.ts";
import type { StreamIdentity } from "./nats-message.ts";
import { toDelivery } from "./nats-message.ts";

export interface NatsSourceOptions extends SourceOptions, NatsServers {
  /** Name of these servers in the operator's bindings. */
  readonly cluster: string;
}

/** A message that nobody has acknowledged or asked more time for goes to another member after this. */
const ackWaitMs = 10_000;
const workingEveryMs = 3_000;
const heardWithinMs = 10_000;
const askEveryMs = 1_000;
const probeEveryMs = 500;
const rejoinAfterMs = 1_000;
const leaveWithinMs = 5_000;

/**
 * Reads a subject by a durable pull consumer, which all members of the group share. Messages are acknowledged only after `handle` resolved, and the server delivers each without limit until it is.
 * As many messages are in hand as one batch has, over the whole group: what a dead member had comes again before anything newer. Several members may have messages of one key at a time.
 *
 *   joining   a new connection finds the stream and its consumer   → member
 *   member    read → handle → acknowledge                          a failure ends the connection → joining
 *   paused    a batch can't be handled: it waits in memory, and    it is handled again → member
 *             the server is asked to wait
 *   ended     by the signal
 */
export function createNatsSource(options: NatsSourceOptions): DeliverySource {
  const hand = createHand();
  let heardAt = Number.NEGATIVE_INFINITY;

  /** One membership, from its join to its first failure. */
  const consume = async (connection: NatsConnection, signal: AbortSignal): Promise<void> => {
    const stream = await join(connection, options);
    const consumer = await jetstream(connection).consumers.get(stream.name, options.group);
    const inbox = createInbox();
    const messages = await consumer.consume({
      callback: inbox.add,
      max_messages: options.batchSize,
      idle_heartbeat: askEveryMs,
      expires: 5_000,
      abort_on_missing_resource: true,
    });
    const stop = () => messages.stop();
    const closed = messages.closed().finally(inbox.end);
    signal.addEventListener("abort", stop, { once: true });
    const keeping = setInterval(inbox.keep, workingEveryMs);
    const asking = setInterval(
      () =>
        void connection.flush().then(
          () => {
            heardAt = options.now().getTime();
          },
          () => undefined,
        ),
      askEveryMs,
    );
    heardAt = options.now().getTime();
    try {
      for await (const batch of inbox.batches(options.batchSize)) {
        await handleBatch(options, hand, batch, stream, signal);
        if (signal.aborted) return;
      }
      const error = await closed;
      if (!signal.aborted) throw error ?? new Error("the server ended the delivery");
    } finally {
      clearInterval(keeping);
      clearInterval(asking);
      signal.removeEventListener("abort", stop);
      hand.letGo();
    }
  };

  return {
    standing: () => {
      const isHeard = options.now().getTime() - heardAt < heardWithinMs;
      return isHeard ? hand.standing() : "NATS does not answer";
    },
    lagSeconds: () => hand.lagSeconds(options.now()),
    async run(signal) {
      while (!signal.aborted) {
        let connection: NatsConnection | undefined;
        try {
          connection = await connectNats(options, false);
          const failed = connection.closed().then((error) => {
            throw error ?? new Error("the connection was closed");
          });
          failed.catch(() => undefined);
          await withinLimit(Promise.race([consume(connection, signal), failed]), signal);
        } catch (error) {
          if (!signal.aborted) options.onRejoin(error);
        } finally {
          await Promise.race([
            connection?.close().catch(() => undefined),
            sleep(leaveWithinMs, undefined, { ref: false }),
          ]);
        }
        await sleep(rejoinAfterMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

const consumerSettings = (topic: string, batchSize: number) => ({
  ack_wait: nanos(ackWaitMs),
  max_ack_pending: batchSize,
  max_deliver: -1, // what can't be read is quarantined, so nothing is given up
  filter_subject: topic,
});

const newConsumer = (group: string, from: Date | undefined, settings: ReturnType<typeof consumerSettings>) => ({
  durable_name: group,
  ack_policy: AckPolicy.Explicit,
  ...(from === undefined
    ? { deliver_policy: DeliverPolicy.All }
    : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() }),
  ...settings,
});

/**
 * Lets a group read a subject from a moment on.
 * @param wanted.from - messages that were stored then or later are read; undefined: all that are kept
 * @returns how many members wait for messages; the consumer is changed only while none does
 */
export async function seekConsumer(
  servers: NatsServers,
  wanted: {
    readonly group: string;
    readonly topic: string;
    readonly batchSize: number;
    readonly from: Date | undefined;
  },
): Promise<number> {
  const { group, topic, batchSize, from } = wanted;
  const connection = await connectNats(servers, false);
  try {
    const manager = await jetstreamManager(connection);
    const name = await manager.streams.find(topic);
    const there = await manager.consumers.info(name, group).catch(() => undefined);
    if (there !== undefined && there.num_waiting > 0) return there.num_waiting;
    if (there !== undefined) await manager.consumers.delete(name, group);
    await manager.consumers.add(name, newConsumer(group, from, consumerSettings(topic, batchSize)));
    return 0;
  } finally {
    await connection.close();
  }
}

/** Finds the stream of the topic and makes the group's consumer there, unless it has one. */
async function join(
  connection: NatsConnection,
  { topic, group, batchSize }: NatsSourceOptions,
): Promise<StreamIdentity> {
  const manager = await jetstreamManager(connection);
  const name = await manager.streams.find(topic);
  const { created } = await manager.streams.info(name);
  const there = await manager.consumers.info(name, group).catch(() => undefined);
  const settings = consumerSettings(topic, batchSize);
  if (there === undefined) await manager.consumers.add(name, newConsumer(group, undefined, settings));
  else await manager.consumers.update(name, group, settings);
  return { name, created };
}

/** What has come and is not acknowledged yet. */
function createInbox() {
  const arrived: JsMsg[] = [];
  let inHand: readonly JsMsg[] = [];
  let isOver = false;
  let wake = Promise.withResolvers<void>();
  return {
    add(message: JsMsg) {
      arrived.push(message);
      wake.resolve();
    },
    /** Asks the server not to give any of it to another member yet. */
    keep() {
      for (const message of [...inHand, ...arrived]) message.working();
    },
    end() {
      isOver = true;
      wake.resolve();
    },
    /** Up to a batch, without waiting for more than the first. */
    async *batches(size: number): AsyncGenerator<JsMsg[]> {
      while (!isOver || arrived.length > 0) {
        await wake.promise;
        while (arrived.length > 0) {
          inHand = arrived.splice(0, size);
          yield [...inHand];
          inHand = [];
        }
        if (!isOver) wake = Promise.withResolvers<void>();
      }
    },
  };
}

/** Handles a batch until it is durable, then acknowledges it. */
async function handleBatch(
  { handle, cluster, canGoOn, onPause }: NatsSourceOptions,
  hand: ReturnType<typeof createHand>,
  batch: readonly JsMsg[],
  stream: StreamIdentity,
  signal: AbortSignal,
): Promise<void> {
  const deliveries = batch.map((message) => toDelivery(message, cluster, stream));
  hand.take(batch);
  try {
    while (!signal.aborted) {
      const failure = await handle(deliveries).then(
        () => undefined,
        (error: unknown) => ({ error }),
      );
      if (failure === undefined) {
        await Promise.all(batch.map((message) => message.ackAck()));
        return;
      }
      hand.pause(failure.error);
      onPause(failure.error);
      do await sleep(probeEveryMs, undefined, { signal }).catch(() => undefined);
      while (!signal.aborted && !(await canGoOn().catch(() => false)));
    }
  } finally {
    hand.letGo();
  }
}

/** The batch that is being handled: when its oldest message was stored, and why it waits. */
function createHand() {
  let oldest: Date | undefined;
  let pausedBy: unknown;
  return {
    take([first]: readonly JsMsg[]) {
      oldest = first?.time;
    },
    pause(error: unknown) {
      pausedBy = error;
    },
    letGo() {
      oldest = undefined;
      pausedBy = undefined;
    },
    standing(): true | string {
      if (pausedBy === undefined) return true;
      return `batches can't be made durable: ${pausedBy instanceof Error ? pausedBy.message : String(pausedBy)}`;
    },
    lagSeconds: (now: Date): number =>
      oldest === undefined ? 0 : Math.max(0, (now.getTime() - oldest.getTime()) / 1_000),
  };
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
