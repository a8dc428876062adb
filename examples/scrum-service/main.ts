import { once } from "node:events";
import { createServer } from "node:http";
import { pino } from "pino";
import { createBehaviours } from "./behaviour.ts";
import { createDoors } from "./doors.ts";
import { openLedger } from "./ledger.ts";
import { createRequestRun } from "./request-run.ts";
import { readSettings } from "./settings.ts";

const drainMs = 3_000;
const requestTimeoutMs = 30_000;

/**
 * An independent Scrum service: it knows the scheduler by its contracts only, and keeps its own data.
 * @returns when it has drained after an abort
 * @throws Error when its settings, its data or its port can't be used
 */
export async function main(environment: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const settings = readSettings(environment);
  const log = pino({ name: "scrum", base: undefined });
  const now = () => new Date();
  const ledger = openLedger(settings.stateDir);
  const server = createServer(
    createDoors({
      ledger,
      behaviours: createBehaviours(),
      requestRun: createRequestRun({ bus: settings.bus, source: settings.source, now }),
      readToken: settings.readToken,
      now,
      signal,
      onCall: (call) => log.info(call, "call"),
      onError: (error) => log.error({ err: error }, "a call failed"),
    }),
  );
  server.requestTimeout = requestTimeoutMs;
  try {
    server.listen(settings.port, settings.host);
    await once(server, "listening");
    log.info({ address: server.address() }, "listening");
    if (!signal.aborted) await once(signal, "abort");
    const closed = once(server, "close");
    server.close();
    const sweep = setInterval(() => server.closeIdleConnections(), 50); // a connection turns idle when its last answer is out
    const limit = setTimeout(() => server.closeAllConnections(), drainMs);
    await closed;
    clearTimeout(limit);
    clearInterval(sweep);
  } finally {
    ledger.close();
  }
}

if (import.meta.main) {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  main(process.env, stop.signal).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
