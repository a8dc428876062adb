import { busesOf } from "../config/buses.ts";
import { readEnvironment } from "../config/environment.ts";
import { createSecretFiles } from "../config/secret-files.ts";
import { createSingleStatements } from "../drivers/postgres/in-scope.ts";
import { createPool } from "../drivers/postgres/pool.ts";
import type { Republished } from "../upkeep/republish-events.ts";
import { republishEvents } from "../upkeep/republish-events.ts";
import { databaseLoginOf } from "./database-login.ts";
import { eventSinkOf } from "./event-sink.ts";

const clientId = "automation-republish";

/** Publishes events again, with what a relay is told, page by page. @throws what the engines throw; what was sent by then is on the bus */
export async function* main(
  source: NodeJS.ProcessEnv,
  wanted: { readonly since: Date; readonly isDryRun: boolean; readonly signal: AbortSignal },
): AsyncGenerator<Republished> {
  const environment = readEnvironment("republish", source);
  const secrets = createSecretFiles(() => undefined); // what becomes unusable later is of no matter to a process that ends
  const login = databaseLoginOf(environment, secrets);
  const sink = eventSinkOf(busesOf(environment, secrets), environment.AUTOMATION_EVENT_BUS, clientId)();
  const pool = createPool({ ...login, applicationName: clientId, max: 1, onError: () => undefined });
  try {
    await sink.connect();
    yield* republishEvents({ statements: createSingleStatements(pool), sink }, wanted);
  } finally {
    await Promise.allSettled([sink.close(), pool.end()]);
  }
}
