import type { NatsConnection } from "@nats-io/transport-node";
import { connect, usernamePasswordAuthenticator } from "@nats-io/transport-node";

export interface NatsServers {
  /** HOST:PORT of each. */
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly clientId: string;
  readonly security?: {
    readonly tls?: { readonly ca?: string };
    readonly user?: { readonly name: string; readonly password: () => string };
  };
}

/** One request to the server, milliseconds. */
export const requestLimitMs = 5_000;

/**
 * @param isLasting - whether the connection is made anew by itself after a failure; else it ends then
 * @throws errors of the client
 */
export const connectNats = (
  { servers, clientId, security = {} }: NatsServers,
  isLasting: boolean,
): Promise<NatsConnection> =>
  connect({
    servers: [...servers],
    name: clientId,
    timeout: requestLimitMs,
    pingInterval: 2_000, // a server that stands still is noticed after 6 s
    maxPingOut: 3,
    reconnect: isLasting,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    ignoreAuthErrorAbort: false,
    ...(security.tls && { tls: { ...security.tls } }),
    ...(security.user && { authenticator: usernamePasswordAuthenticator(security.user.name, security.user.password) }),
  });
