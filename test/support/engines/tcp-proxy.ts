import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { loopback } from "../../../local/engines/engine.ts";

/** Looks at what passes on one connection. */
export interface Watch {
  /** Whether these bytes to the server are the call that is looked for. */
  isCall(bytes: Buffer): boolean;
  onAnswer?(bytes: Buffer): void;
}

/** A door in front of servers that hold the same, through which bytes go late, not at all, or one way only. */
export interface TcpProxy {
  readonly port: number;
  /** Every piece of bytes takes so many milliseconds longer, in both directions. */
  delay(ms: number): void;
  /** Ends all connections. @returns how many there were */
  cut(): number;
  /**
   * Of the next calls, at least as many as told: the server executes them, and its answer is lost with the connection.
   * @param watch - of a connection that began with these bytes; undefined when it is of no matter
   * @param onLost - called when the server has answered, before anybody else knows
   */
  loseReplies(count: number, watch: (hello: Buffer) => Watch | undefined, onLost?: () => void): void;
  /** How many answers were lost so far. */
  lost(): number;
  close(): Promise<void>;
}

/** From the first bytes of an answer until the connection ends: on a connection with many calls at once, these may be the answer of another. */
const executedWithinMs = 100;

/**
 * @param ports - of the servers; each connection goes to the next one that is there
 * @param at - where it listens; a free port unless told
 */
export async function startTcpProxy(ports: readonly number[], at = 0): Promise<TcpProxy> {
  const clients = new Set<Socket>();
  let delayMs = 0;
  let lost = 0;
  let next = 0;
  let wanted: { left: number; watch: (hello: Buffer) => Watch | undefined; onLost: (() => void) | undefined };
  wanted = { left: 0, watch: () => undefined, onLost: undefined };

  /** Hands on in order, however the delay changes meanwhile. */
  const inOrder = (to: Socket) => {
    let last = Promise.resolve();
    let waiting = 0;
    return (bytes: Buffer): void => {
      if (delayMs === 0 && waiting === 0) return void to.write(bytes);
      const due = performance.now() + delayMs;
      waiting += 1;
      last = last.then(async () => {
        await new Promise((done) => setTimeout(done, Math.max(0, due - performance.now())));
        waiting -= 1;
        if (!to.destroyed) to.write(bytes);
      });
    };
  };

  const join = (client: Socket, server: Socket): void => {
    let isLosing = false;
    let hello: Buffer | undefined;
    let watching: { readonly by: typeof wanted; readonly watch: Watch | undefined } | undefined;
    const watchNow = (): Watch | undefined => {
      if (hello === undefined) return undefined; // of some protocols the server speaks first
      if (watching?.by !== wanted) watching = { by: wanted, watch: wanted.watch(hello) };
      return watching.watch;
    };
    const [toServer, toClient] = [inOrder(server), inOrder(client)];
    const end = () => {
      clients.delete(client);
      client.destroy();
      server.destroy();
    };
    clients.add(client);
    client.on("data", (bytes) => {
      hello ??= bytes;
      if (!isLosing && watchNow()?.isCall(bytes) && wanted.left > 0) isLosing = true;
      toServer(bytes);
    });
    server.on("data", (bytes) => {
      if (!isLosing) {
        watchNow()?.onAnswer?.(bytes);
        return toClient(bytes);
      }
      server.removeAllListeners("data").resume();
      lost += 1;
      wanted.left -= 1; // not before: the connection may have ended first
      wanted.onLost?.();
      setTimeout(end, executedWithinMs);
    });
    for (const socket of [client, server]) socket.on("close", end).on("error", end).setNoDelay();
  };

  const reach = (client: Socket, tries: number): void => {
    const server = connect({ host: loopback, port: ports[next++ % ports.length] ?? 0 });
    server.once("connect", () => {
      server.removeAllListeners("error");
      join(client, server);
    });
    server.once("error", () => (tries > 1 ? reach(client, tries - 1) : client.destroy()));
  };

  const listener = createServer((client) => {
    client.on("error", () => undefined); // told as its close
    reach(client, ports.length);
  });
  await new Promise<void>((done) => listener.listen({ host: loopback, port: at }, done));
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  const cut = (): number => {
    const open = [...clients];
    for (const client of open) client.destroy();
    return open.length;
  };
  return {
    port: address.port,
    delay: (ms) => {
      delayMs = ms;
    },
    cut,
    loseReplies: (left, watch, onLost) => {
      wanted = { left, watch, onLost };
    },
    lost: () => lost,
    close: () => {
      const closed = new Promise<void>((done) => listener.close(() => done()));
      cut();
      return closed;
    },
  };
}
