import { randomUUID } from "node:crypto";
import type { BenchWorld } from "./bench-world.ts";
import { untilCount } from "./bench-world.ts";
import { createRequestProducer, startDispatcher } from "./dispatcher-process.ts";

const perRound = 20_000;
const rounds = 3;
const nobody = "127.0.0.1:1";

export interface AcceptRound {
  readonly perSecond: number;
  /** CPU of the dispatcher process, milliseconds per event. */
  readonly cpuMs: number;
}

/**
 * Requests accepted per second while Temporal is unreachable: the topic is filled while the dispatcher is stopped.
 * The rate is by the database's clock, from the first to the last transaction of a round.
 */
export async function benchAccepts(world: BenchWorld): Promise<AcceptRound[]> {
  const producer = await createRequestProducer(world);
  const dispatcher = await startDispatcher(world, nobody);
  const accepted: AcceptRound[] = [];
  try {
    for (let n = -1; n < rounds; n += 1) {
      console.error(`accepts: round ${n + 2} of ${rounds + 1}`);
      const prefix = randomUUID();
      dispatcher.freeze();
      for (let from = 0; from < perRound; from += 500)
        await producer.publish(Array.from({ length: 500 }, (_, i) => `${prefix}-${from + i}`));
      const cpuBefore = dispatcher.cpuMs();
      dispatcher.thaw();
      await untilCount(
        world.superuser,
        `select count(*) from run_requests where disposition = 'accepted' and event_id like '${prefix}-%'`,
        perRound,
      );
      const cpuMs = (dispatcher.cpuMs() - cpuBefore) / perRound;
      const { rows } = await world.superuser.query<{ seconds: string }>(
        "select extract(epoch from max(received_at) - min(received_at)) as seconds from run_requests where event_id like $1",
        [`${prefix}-%`],
      );
      if (n >= 0) accepted.push({ perSecond: perRound / Number(rows[0]?.seconds), cpuMs }); // the first round warms up
    }
    return accepted;
  } finally {
    await dispatcher.stop();
    await producer.close();
  }
}
