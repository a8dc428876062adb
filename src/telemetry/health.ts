import { createServer } from "node:http";
import type { Server } from "node:net";
import { UnusableConfigurationError } from "../config/unusable-configuration-error.ts";
import { observeReadiness } from "./metrics/process-metrics.ts";
import type { Telemetry } from "./start-telemetry.ts";

/** For each part of the process: true while it moves or has nothing to do, else why it stands still. Each check limits its own time. */
export type ReadinessCheck = () => Promise<Readonly<Record<string, true | string>>>;

/** The parts of a request and a response that are needed here, HTTP/1.1 or HTTP/2. */
interface Asked {
  readonly url?: string;
}
interface Answer {
  writeHead(status: number, headers: Record<string, string>): { end(body: string): unknown };
}

/**
 * `/healthz`: the process lives. `/readyz`: 200 while every part goes on, else 503; it lists each part with `true` or what is wrong.
 * @returns false when the path is neither
 */
export function answerHealth(request: Asked, response: Answer, check: ReadinessCheck): boolean {
  const path = request.url?.split("?")[0];
  if (path === "/healthz") {
    reply(response, 200, { alive: true });
    return true;
  }
  if (path !== "/readyz") return false;
  check().then(
    (parts) => reply(response, isReady(parts) ? 200 : 503, parts),
    (error: unknown) => reply(response, 503, { error: String(error) }),
  );
  return true;
}

export function isReady(parts: Awaited<ReturnType<ReadinessCheck>>): boolean {
  return Object.values(parts).every((part) => part === true);
}

/**
 * Serves the two paths and `/metrics`, on a port that need not be reachable from outside.
 * @param options.address - HOST:PORT
 * @throws Error when the port can't be had, with the variable that names it
 */
export async function serveHealth(options: {
  readonly address: string;
  readonly check: ReadinessCheck;
  readonly telemetry: Pick<Telemetry, "name" | "readMetrics">;
}): Promise<{ close(): Promise<void> }> {
  observeReadiness(options.telemetry.name, options.check);
  const server = createServer((request, response) => {
    if (request.url?.split("?")[0] === "/metrics") answerMetrics(response, options.telemetry);
    else if (!answerHealth(request, response, options.check))
      reply(response, 404, { error: "only /healthz, /readyz and /metrics are here" });
  });
  await listenAt(server, options.address, { variable: "AUTOMATION_HEALTH_ADDRESS", purpose: "health and metrics" });
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

function answerMetrics(response: Answer, telemetry: Pick<Telemetry, "readMetrics">): void {
  telemetry.readMetrics().then(
    (text) => response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" }).end(text),
    (error: unknown) => reply(response, 500, { error: String(error) }),
  );
}

/**
 * Opens a server at HOST:PORT.
 * @param of - the variable that names the address, and what it is for
 * @throws UnusableConfigurationError when nothing can listen there
 */
export async function listenAt(
  server: Server,
  address: string,
  of: { readonly variable: string; readonly purpose: string },
): Promise<void> {
  const colon = address.lastIndexOf(":");
  await new Promise<void>((done, fail) => {
    server.once("error", (cause) => {
      const fault = `${of.variable}: nothing can listen at ${address} (${cause.message})`;
      fail(new UnusableConfigurationError(`${fault}; name a free address, for ${of.purpose}`, { cause }));
    });
    server.listen(Number(address.slice(colon + 1)), address.slice(0, colon), done);
  });
}

function reply(response: Answer, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}
