import type { Buses } from "../config/buses.ts";
import { eventBusOf } from "../config/buses.ts";
import { createKafkaSink } from "../drivers/kafka/kafka-sink.ts";
import { createNatsSink } from "../drivers/nats/nats-sink.ts";
import type { RecordSink } from "../runs/outbox/bus-record.ts";

/** How a sink of the bus is made that gets run events. */
export function eventSinkOf(buses: Buses, chosen: "kafka" | "nats" | undefined, clientId: string): () => RecordSink {
  const { kafka, nats } = buses;
  if (eventBusOf(buses, chosen) === "nats" && nats !== undefined) return () => createNatsSink({ ...nats, clientId });
  if (kafka === undefined) throw new Error("there is no bus");
  return () => createKafkaSink({ ...kafka, clientId });
}
