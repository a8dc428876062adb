import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import type { ReadinessCheck } from "../telemetry/health.ts";
import { answerHealth, splitAddress } from "../telemetry/health.ts";
import { createDefaultDeadline } from "./default-deadline.ts";
import { services } from "./routes.ts";

export interface ApiServer {
  /** Where it listens, HOST:PORT. */
  readonly address: string;
  /** Takes no more connections, lets calls end for a few seconds, then cuts what is left. Streams are ended by their owner before. */
  drain(): Promise<void>;
}

type Handler = ReturnType<typeof connectNodeAdapter>;
type Request = Parameters<Handler>[0];
type Response = Parameters<Handler>[1];

const maxConnections = 4_096;
const maxHeaderBytes = 16 * 1024;
/** A connection whose first bytes don't come in time is closed. */
const firstBytesMs = 10_000;
/** A connection without any progress for so long is closed; streams send heartbeats more often. */
const idleMs = 60_000;
const drainMs = 3_000;
/** How HTTP/2 begins ("PRI * HTTP/2.0"), and no method of HTTP/1.1 that is served here. */
const http2Begin = "PR";

/**
 * One cleartext port for HTTP/1.1 and HTTP/2 with prior knowledge: the first bytes of a connection say which.
 * @param options.address - HOST:PORT; port 0 takes a free one
 */
export async function serveApi(options: {
  readonly address: string;
  readonly handler: Handler;
  readonly check: ReadinessCheck;
}): Promise<ApiServer> {
  const applyDeadline = createDefaultDeadline(services);
  const handle = (request: Request, response: Response): void => {
    if (answerHealth(request, response, options.check)) return;
    applyDeadline(request);
    options.handler(request, response);
  };
  const http1 = createHttp1(
    {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      connectionsCheckingInterval: 5_000,
    },
    handle,
  );
  http1.setTimeout(idleMs);
  http1.emit("listening"); // it never listens itself, and without this its own timeouts stay off
  const http2 = createHttp2(
    {
      settings: { maxConcurrentStreams: 256, maxHeaderListSize: maxHeaderBytes },
      maxSessionMemory: 32,
    },
    handle,
  );
  http2.setTimeout(idleMs);
  http2.on("sessionError", () => undefined); // a broken client is its own concern

  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const waiting = setTimeout(() => socket.destroy(), firstBytesMs);
    socket.once("readable", () => {
      clearTimeout(waiting);
      const first: Buffer | null = socket.read();
      if (first === null) {
        socket.destroy(); // closed without a word
        return;
      }
      socket.unshift(first);
      const speaksHttp2 = first.toString("latin1", 0, http2Begin.length) === http2Begin;
      (speaksHttp2 ? http2 : http1).emit("connection", socket);
    });
  });
  server.maxConnections = maxConnections;
  const [host, port] = splitAddress(options.address);
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(port, host, done);
  });
  const listening = server.address() as AddressInfo;

  return {
    address: `${host}:${listening.port}`,
    async drain() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      http1.close();
      http2.close();
      const closeIdle = setInterval(() => http1.closeIdleConnections(), 100);
      await Promise.race([closed, sleep(drainMs)]);
      clearInterval(closeIdle);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
