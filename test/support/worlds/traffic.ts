import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createKafkaSink } from "../../../src/drivers/kafka/kafka-sink.ts";
import { createNatsSink } from "../../../src/drivers/nats/nats-sink.ts";
import type { BusRecord, RecordSink } from "../../../src/runs/outbox/bus-record.ts";
import { textHeaders } from "../../../src/runs/outbox/bus-record.ts";
import { requestTopic } from "../../../src/runs/outbox/topics.ts";
import { scrumEvent } from "../builders/scrum-event.ts";
import { brokersOf } from "../engines/stack.ts";
import type { PairsWorld } from "./pairs-world.ts";

/** The load itself: each way of asking asks once in this time. */
const everyMs = 1_000;

interface Asked {
  readonly id: string;
  readonly profile: "scrum-team" | "scrum-team-tested";
}

/** Events that mean harm, each of which is one delivery. */
const hostile = (
  JSON.parse(readFileSync(new URL("../../corpus/hostile-events/cases.json", import.meta.url), "utf8")) as {
    headers: [string, string][];
    body?: string;
  }[]
).filter(({ headers, body }) => body !== undefined && !headers.some(([, value]) => value.includes("batch")));

/**
 * Asks for runs over Kafka, NATS and the api until it is ended, and repeats what was not acknowledged. Among the events are repeated ones, others under an id that is taken,
 * hostile ones, and such that speak for a tenant that is not theirs.
 */
export function startTraffic({ stack, api }: Pick<PairsWorld, "stack" | "api">) {
  const asked = { kafka: [] as Asked[], nats: [] as Asked[], api: [] as Asked[] };
  const sent = { repeated: 0, conflicting: 0, hostile: 0, foreign: 0, refusedSends: 0 };
  const stop = new AbortController();
  const { nats } = stack.state;

  const untilDone = async (call: () => Promise<unknown>): Promise<void> => {
    for (;;)
      try {
        await call();
        return;
      } catch {
        sent.refusedSends += 1;
        await sleep(200);
      }
  };
  const next = (way: keyof typeof asked): Asked => {
    const n = asked[way].length;
    const profile = n % 10 === 9 ? "scrum-team-tested" : "scrum-team";
    const each: Asked = { id: way === "api" ? crypto.randomUUID() : `${way}-${n}`, profile };
    asked[way].push(each);
    return each;
  };
  const eventOf = ({ id, profile }: Asked, item = id) =>
    scrumEvent(id, item, { definition: { id: "increment-evidence" }, profile: { id: profile } });

  const overBus = async (way: "kafka" | "nats", sink: RecordSink): Promise<void> => {
    const send = (...records: readonly BusRecord[]) => untilDone(() => sink.send(requestTopic, records));
    while (!stop.signal.aborted) {
      const n = asked[way].length;
      const each = next(way);
      const event = eventOf(each);
      await send(...(n % 3 === 0 ? [event, event] : [event]));
      if (n % 3 === 0) sent.repeated += 1;
      if (n % 5 === 1) {
        sent.conflicting += 1;
        await send(eventOf(each, "another item"));
      }
      if (n % 3 === 2 && way === "kafka") {
        const bad = hostile[sent.hostile % hostile.length];
        sent.hostile += 1;
        const headers = (bad?.headers ?? []).map(([name, value]) => [name, Buffer.from(value)] as const);
        await send({ key: null, headers, body: Buffer.from(bad?.body ?? "") });
      }
      if (n % 7 === 3) {
        sent.foreign += 1;
        const headers = event.headers.filter(([name]) => name !== "ce_tenantid");
        await send({ ...event, headers: [...headers, ...textHeaders({ ce_tenantid: "globex" })] });
      }
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
    await sink.close();
  };
  const overApi = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const { id, profile } = next("api");
      const scrum = { product: "webshop", sprint: "S-7", backlogItems: [id] };
      const request = {
        ...{ profile: { id: profile }, definition: { id: "increment-evidence" }, workKind: "story" },
        context: { method: { case: "scrum" as const, value: scrum } },
      };
      await untilDone(() => api.workflows.startWorkflowRun({ requestId: id, request }));
      await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  };
  const flows = [
    overBus("kafka", createKafkaSink({ brokers: brokersOf(stack.state), clientId: "traffic" })),
    overBus("nats", createNatsSink({ servers: nats?.servers ?? [], clientId: "traffic" })),
    overApi(),
  ];
  const all = (): Asked[] => Object.values(asked).flat();
  return {
    all,
    counts: () => ({ kafka: asked.kafka.length, nats: asked.nats.length, api: asked.api.length, ...sent }),
    /** @returns the ids of all that were asked for, each of which is acknowledged */
    async end(): Promise<string[]> {
      stop.abort();
      await Promise.all(flows);
      return all().map(({ id }) => id);
    },
  };
}
