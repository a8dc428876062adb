import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { createKafkaSink } from "../../src/drivers/kafka/kafka-sink.ts";
import { textHeaders } from "../../src/runs/outbox/bus-record.ts";
import { requestTopic } from "../../src/runs/outbox/topics.ts";
import { aRequest } from "../support/builders/declared.ts";
import { freePorts } from "../support/engines/free-ports.ts";
import type { BenchWorld } from "./bench-world.ts";
import { eventType, source, tenant } from "./bench-world.ts";

const program = resolve(import.meta.dirname, "../../src/cli/automation.ts");
const ticksPerSecond = 100;

/** An `automation dispatcher` process. */
export interface DispatcherProcess {
  /** CPU it has used, milliseconds. */
  cpuMs(): number;
  /** Stops the process (SIGSTOP); for less than the 10 s of its Kafka session. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

export async function startDispatcher(world: BenchWorld, temporalAddress: string): Promise<DispatcherProcess> {
  const operatorFile = join(world.engines.dir, "operator.yaml");
  writeFileSync(
    operatorFile,
    stringify({
      sources: [
        {
          bus: "kafka",
          cluster: "local",
          topic: requestTopic,
          source,
          tenants: [tenant],
          orgs: ["*"],
          types: [eventType],
        },
      ],
      roles: ["developer"],
      proof: { baseUri: "https://automation.example/proof" },
    }),
  );
  const [port = 0] = await freePorts(1);
  const child = spawn(process.execPath, [program, "dispatcher"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      PATH: process.env.PATH,
      AUTOMATION_POSTGRES_URL: world.database.urlOf("dispatcher"),
      AUTOMATION_KAFKA_BROKERS: world.engines.kafka.brokers.join(","),
      AUTOMATION_KAFKA_CLUSTER: "local",
      AUTOMATION_TEMPORAL_ADDRESS: temporalAddress,
      AUTOMATION_TEMPORAL_NAMESPACE: world.engines.temporal.namespace,
      AUTOMATION_HEALTH_ADDRESS: `127.0.0.1:${port}`,
      AUTOMATION_OPERATOR_FILE: operatorFile,
      AUTOMATION_RELEASE_MAX_UNBEGUN: "100000",
      AUTOMATION_LOG_LEVEL: "error",
    },
  });
  const pid = child.pid ?? 0;
  await consuming(child, port);
  return {
    cpuMs() {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;
    },
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    async stop() {
      if (child.exitCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      await exit;
    },
  };
}

async function consuming(child: ChildProcess, port: number): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the dispatcher ended with ${child.exitCode}`);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    const parts = (await answer?.json()) as { accept?: true | string } | undefined;
    if (parts?.accept === true) return;
    await sleep(100, undefined, { signal: limit });
  }
}

/** Publishes requests as a methodology service does. */
export async function createRequestProducer(world: BenchWorld) {
  const sink = createKafkaSink({ brokers: world.engines.kafka.brokers, clientId: "bench" });
  await sink.connect();
  const body = Buffer.from(JSON.stringify(aRequest()));
  return {
    publish: (ids: readonly string[]) =>
      sink.send(
        requestTopic,
        ids.map((id) => ({
          key: id,
          headers: textHeaders({
            "content-type": "application/json",
            ce_specversion: "1.0",
            ce_id: id,
            ce_source: source,
            ce_type: eventType,
            ce_time: new Date().toISOString(),
            ce_tenantid: tenant,
            ce_orgid: "retail",
          }),
          body,
        })),
      ),
    close: () => sink.close(),
  };
}
