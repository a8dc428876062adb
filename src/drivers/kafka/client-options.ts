import type { ConnectionOptions } from "@platformatic/kafka";

/** Brokers, and how a client encrypts and says who it is. */
export interface KafkaConnection {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly security?: {
    readonly tls?: { readonly ca?: string };
    readonly sasl?: Readonly<Pick<NonNullable<ConnectionOptions["sasl"]>, "mechanism" | "username" | "password">>;
  };
}

/** How every Kafka client here connects; times in ms. */
export const clientOptions = ({ brokers, clientId, security = {} }: KafkaConnection) => ({
  clientId,
  bootstrapBrokers: [...brokers],
  connectTimeout: 3_000,
  requestTimeout: 10_000,
  retries: 2,
  retryDelay: 250,
  ...(security.tls && { tls: { ...security.tls }, tlsServerName: true }),
  ...(security.sasl && { sasl: { ...security.sasl } }),
});
