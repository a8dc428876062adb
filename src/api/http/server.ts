import { createServer as createHttp1, IncomingMessage } from "node:http";
import { createServer as createHttp2 } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import type { ReadinessCheck } from "../../telemetry/health.ts";
import { answerHealth, splitAddress } from "../../telemetry/health.ts";
import { shownText } from "../../text/strangers-text.ts";
import { createDefaultDeadline } from "../connect/default-deadline.ts";
import { services } from "../connect/routes.ts";
import { answerError } from "./answer-error.ts";
import type { createCors } from "./cors.ts";

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
/** How HTTP/2 begins, and no request of HTTP/1.1 does (RFC 9113, 3.4). */
const http2Begin = "PRI * HTTP/2.0\r\n";

/**
 * Lets a call be answered before its body has come whole: whoever stops reading it leaves the connection open, and what still comes is taken and thrown away.
 * Else the connection is reset under a client that sends, and it never reads the answer. The time of a request bounds what comes.
 */
function lingerOver(request: IncomingMessage, response: Response): void {
  request[Symbol.asyncIterator] = () => request.iterator({ destroyOnReturn: false });
  response.once("finish", () => request.resume());
}

/**
 * One cleartext port for HTTP/1.1 and HTTP/2 with prior knowledge: the first bytes of a connection say which, in whatever pieces they come.
 * @param options.address - HOST:PORT; port 0 takes a free one
 * @param options.applyCors - goes before everything else, so that a browser can read each answer
 */
export async function serveApi(options: {
  readonly address: string;
  readonly handler: Handler;
  readonly applyCors: ReturnType<typeof createCors>;
  readonly check: ReadinessCheck;
}): Promise<ApiServer> {
  const applyDeadline = createDefaultDeadline(services);
  const handle = (request: Request, response: Response): void => {
    if (options.applyCors(request, response) || answerHealth(request, response, options.check)) return;
    applyDeadline(request);
    request.headers.host ??= options.address; // HTTP/1.0 has none
    if (request instanceof IncomingMessage) lingerOver(request, response);
    try {
      options.handler(request, response);
    } catch {
      const message = `the request's host "${shownText(request.headers.host, 200)}" and path make no URL; correct them`;
      answerError(response, 400, "invalid_argument", message);
    }
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
    socket.once("close", () => clearTimeout(waiting));
    let begun = Buffer.alloc(0);
    socket.on("readable", function read() {
      const bytes: Buffer | null = socket.read();
      if (bytes === null) return; // its end, which closes it
      begun = Buffer.concat([begun, bytes]);
      const spoken = begun.toString("latin1", 0, http2Begin.length);
      if (spoken.length < http2Begin.length && http2Begin.startsWith(spoken)) return;
      clearTimeout(waiting);
      socket.off("readable", read);
      socket.unshift(begun);
      (spoken === http2Begin ? http2 : http1).emit("connection", socket);
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
