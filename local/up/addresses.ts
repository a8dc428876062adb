import type { UpState } from "./running-stack.ts";

export type Addresses = Readonly<Record<string, string>>;

/** @returns where the parts of a stack are reached, by the names that `automation url` knows; that of Postgres holds a password */
export function addressesOf({ api, temporal, kafka, postgres, s3, issuer, scrum }: Omit<UpState, "pid">): Addresses {
  return {
    api: api.url,
    temporal: temporal.address,
    "temporal-ui": temporal.uiUrl,
    kafka: kafka.brokers.join(","),
    postgres: postgres.url,
    s3: s3.endpoint,
    issuer: issuer.url,
    ...(scrum === undefined ? {} : { scrum: scrum.url }),
  };
}

/** @returns the same to be looked at, without passwords */
export function shownAddresses(addresses: Addresses): Addresses {
  const shown = (address: string) => address.replace(/^(postgres:\/\/[^:@/]+):[^@/]+@/, "$1@");
  return Object.fromEntries(Object.entries(addresses).map(([name, address]) => [name, shown(address)]));
}
