import type { CatchUpReport } from "../admission/catch-up.ts";
import { catchUp } from "../admission/catch-up.ts";
import { busesOf } from "../config/buses.ts";
import { readEnvironment } from "../config/environment.ts";
import { createSecretFiles } from "../config/secret-files.ts";
import { temporalTlsOf } from "../config/temporal-tls.ts";
import { seekGroup } from "../drivers/kafka/seek-group.ts";
import { seekConsumer } from "../drivers/nats/nats-source.ts";
import { createInTransaction } from "../drivers/postgres/in-scope.ts";
import { createPool } from "../drivers/postgres/pool.ts";
import { createTemporal } from "../drivers/temporal/workflow-client.ts";
import { requestGroup, requestTopic } from "../runs/outbox/topics.ts";
import { databaseLoginOf } from "./database-login.ts";
import { requestBatchSize } from "./dispatcher.ts";

/** Somebody reads requests: from where can't be changed now. */
export class DispatchersRunError extends Error {
  override readonly name = "DispatchersRunError";
  readonly code = "dispatchers_run";
  constructor(bus: string, readers: number) {
    super(`${readers} dispatchers read requests from ${bus}, and none may: end them, wait 10 s, and call again`);
  }
}

/** Catches up once, with what a dispatcher is told. @throws DispatchersRunError, and what the engines throw */
export async function main(source: NodeJS.ProcessEnv): Promise<CatchUpReport> {
  const environment = readEnvironment("dispatcher", source);
  const secrets = createSecretFiles(() => undefined);
  const login = databaseLoginOf(environment, secrets);
  const { kafka, nats } = busesOf(environment, secrets);
  const pool = createPool({ ...login, applicationName: "automation-catch-up", max: 2, onError: () => undefined });
  const temporal = createTemporal({
    address: environment.AUTOMATION_TEMPORAL_ADDRESS,
    namespace: environment.AUTOMATION_TEMPORAL_NAMESPACE,
    tls: temporalTlsOf(environment),
  });
  const clientId = "automation-catch-up";
  const seek = async (from: Date | undefined): Promise<void> => {
    const wanted = { group: requestGroup, topic: requestTopic, batchSize: requestBatchSize, from };
    const readers = {
      Kafka: kafka && (await seekGroup({ ...kafka, clientId }, wanted)),
      NATS: nats && (await seekConsumer({ ...nats, clientId }, wanted)),
    };
    for (const [bus, count = 0] of Object.entries(readers)) if (count > 0) throw new DispatchersRunError(bus, count);
  };
  try {
    return await catchUp({ inTransaction: createInTransaction(pool), workflows: temporal, seek });
  } finally {
    await Promise.allSettled([pool.end(), temporal.close()]);
  }
}
