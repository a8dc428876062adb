import { readFileSync } from "node:fs";
import { z } from "zod";
import type { Bus } from "./publish.ts";

const text = z.string().min(1, "must not be empty");

const addresses = text.transform((list) => list.split(","));

const environmentSchema = z
  .object({
    SCRUM_ADDRESS: z.string().regex(/^[^:\s]+:\d{1,5}$/, "must be HOST:PORT, for example 127.0.0.1:8091"),
    SCRUM_STATE_DIR: text,
    SCRUM_TOKEN_FILE: text,
    SCRUM_KAFKA_BROKERS: addresses.optional(),
    SCRUM_NATS_SERVERS: addresses.optional(),
    SCRUM_TOPIC: text,
    SCRUM_SOURCE: text,
  })
  .refine(
    ({ SCRUM_KAFKA_BROKERS: kafka, SCRUM_NATS_SERVERS: nats }) => (kafka === undefined) !== (nats === undefined),
    {
      path: ["SCRUM_KAFKA_BROKERS, SCRUM_NATS_SERVERS"],
      message: "one of the two must be set",
    },
  );

export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly stateDir: string;
  /** The bearer token that callers must present; read from its file at each call, so that a rotated one counts at once. */
  readonly readToken: () => string;
  readonly bus: Bus;
  /** CloudEvents `source` of the requests it publishes. */
  readonly source: string;
}

/** @throws Error that names each variable that is missing or malformed, and its rule */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const parsed = environmentSchema.safeParse(environment);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new Error(
      `the environment of the Scrum service is not usable: ${faults.join("; ")}; set them and start again`,
    );
  }
  const { data } = parsed;
  const [host = "", port = ""] = data.SCRUM_ADDRESS.split(":");
  return {
    host,
    port: Number(port),
    stateDir: data.SCRUM_STATE_DIR,
    readToken: () => readFileSync(data.SCRUM_TOKEN_FILE, "utf8").trim(),
    bus: {
      ...(data.SCRUM_NATS_SERVERS === undefined
        ? { name: "Kafka", addresses: data.SCRUM_KAFKA_BROKERS ?? [] }
        : { name: "NATS", addresses: data.SCRUM_NATS_SERVERS }),
      topic: data.SCRUM_TOPIC,
    },
    source: data.SCRUM_SOURCE,
  };
}
