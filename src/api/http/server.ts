import { createServer as createHttp1, IncomingMessage, ServerResponse } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import { constants, createServer as createHttp2 } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { connectNodeAdapter } from "@connectrpc/connect-node";
import type { ReadinessCheck } from "../../telemetry/health.ts";
import { answerHealth, listenAt } from "../../telemetry/health.ts";
import { shownText } from "../../text/strangers-text.ts";
import { createDefaultDeadline } from "../connect/default-deadline.ts";
import { services } from "../connect/routes.ts";
import { answerError } from "./answer-error.ts";
import type { createCors } from "./cors.ts";

export interface ApiServer {
  /** Where it listens, HOST:PORT. */
  readonly address: string;
  /**
   * Takes no new connections, and answers what comes on open ones as the last call there; connections without a call are closed once
   * clients have had the time to notice. End streams before.
   * @param endCalls - called when calls have lasted for 3 s more; what is then not answered is cut off a second later
   */
  drain(endCalls: () => void): Promise<void>;
}

type Handler = ReturnType<typeof connectNodeAdapter>;
type Request = Parameters<Handler>[0];
type Response = Parameters<Handler>[1];

const maxConnections = 4_096;
const maxHeaderBytes = 16 * 1024;
/** A connection that sends no byte within this time is closed. */
const firstBytesMs = 10_000;
/** A connection without traffic for this time is closed; streams send heartbeats more often. */
const idleMs = 60_000;
/** A connection that is closed while its client sends the next call is an error there: busy clients get this time to hear of the end in an answer. */
const noticeMs = 500;
/** In a GOAWAY that announces the end of a session, and refuses no stream yet (RFC 9113, 6.8). */
const anyStream = 2 ** 31 - 1;
const drainMs = 3_000;
const answerMs = 1_000;
/** First bytes of HTTP/2, which no HTTP/1.1 request has (RFC 9113, 3.4). */
const http2Begin = "PRI * HTTP/2.0\r\n";

/**
 * Keeps the connection open when a call is answered before its whole body has arrived; the rest is read and dropped.
 * Otherwise the connection is reset while the client still sends, and it never reads the answer. The request timeout limits this.
 */
function lingerOver(request: IncomingMessage, response: Response): void {
  request[Symbol.asyncIterator] = () => request.iterator({ destroyOnReturn: false });
  response.once("finish", () => {
    if (!request.readableEnded) request.socket.setTimeout(idleMs); // instead of the shorter time of a connection between two requests
    request.resume();
  });
}

/**
 * One cleartext port for HTTP/1.1 and HTTP/2 with prior knowledge; the first bytes of a connection decide which it is.
 * @param options.address - HOST:PORT; port 0 takes a free one
 * @param options.applyCors - called first, so that browsers can read every answer, errors included
 */
export async function serveApi(options: {
  readonly address: string;
  readonly handler: Handler;
  /** Asked before the handler; true when it answers. */
  readonly answerEvents: (request: Request, response: Response) => boolean;
  readonly applyCors: ReturnType<typeof createCors>;
  readonly check: ReadinessCheck;
}): Promise<ApiServer> {
  const applyDeadline = createDefaultDeadline(services);
  let isDraining = false;
  const answering = new Set<ServerResponse>();
  const trackAnswer = (response: Response): void => {
    if (!(response instanceof ServerResponse)) return;
    answering.add(response);
    response.once("close", () => answering.delete(response));
    if (isDraining) response.shouldKeepAlive = false;
  };
  const handle = (request: Request, response: Response): void => {
    trackAnswer(response);
    if (options.applyCors(request, response) || answerHealth(request, response, options.check)) return;
    applyDeadline(request);
    request.headers.host ??= options.address; // HTTP/1.0 has none
    if (request instanceof IncomingMessage) lingerOver(request, response);
    try {
      if (!options.answerEvents(request, response)) options.handler(request, response);
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
  http1.emit("listening"); // starts its timeouts, which otherwise begin with listen()
  const http2 = createHttp2(
    {
      settings: { maxConcurrentStreams: 256, maxHeaderListSize: maxHeaderBytes },
      maxSessionMemory: 32,
    },
    handle,
  );
  http2.setTimeout(idleMs);
  http2.on("sessionError", () => undefined); // broken clients are not our errors
  const sessions = new Set<ServerHttp2Session>();
  http2.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });

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
  await listenAt(server, options.address, { variable: "AUTOMATION_API_ADDRESS", purpose: "the api" });
  const listening = server.address() as AddressInfo;

  return {
    address: `${listening.address}:${listening.port}`,
    async drain(endCalls) {
      isDraining = true;
      const closed = new Promise<void>((done) => server.close(() => done()));
      const orClosed = (ms: number) => Promise.race([closed, sleep(ms, undefined, { ref: false })]);
      for (const response of answering) response.shouldKeepAlive = false;
      for (const session of sessions) if (!session.destroyed) session.goaway(constants.NGHTTP2_NO_ERROR, anyStream);
      await orClosed(noticeMs);
      http2.close();
      http1.close();
      const closeIdle = setInterval(() => http1.closeIdleConnections(), 100);
      await orClosed(drainMs - noticeMs);
      endCalls();
      await orClosed(answerMs);
      clearInterval(closeIdle);
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
