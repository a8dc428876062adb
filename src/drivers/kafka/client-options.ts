/** How every Kafka client here connects; times in ms. */
export const clientOptions = (brokers: readonly string[], clientId: string) => ({
  clientId,
  bootstrapBrokers: [...brokers],
  connectTimeout: 3_000,
  requestTimeout: 10_000,
  retries: 2,
  retryDelay: 250,
});
