import { CliError } from "../../src/cli/cli-error.ts";
import { factLines } from "../../src/cli/show/output.ts";
import { jsonText, print } from "../../src/cli/show/terminal.ts";
import type { UpState } from "./running-stack.ts";
import { requireRunningStack } from "./running-stack.ts";

export type Addresses = Readonly<Record<string, string>>;

/** @returns the addresses of a stack's parts, by the names of `automation url`; the one of Postgres contains a password */
export function addressesOf({
  api,
  temporal,
  kafka,
  nats,
  postgres,
  s3,
  issuer,
  scrum,
}: Omit<UpState, "pid">): Addresses {
  return {
    api: api.url,
    temporal: temporal.address,
    "temporal-ui": temporal.uiUrl,
    ...(kafka === undefined ? {} : { kafka: kafka.brokers.join(",") }),
    ...(nats === undefined ? {} : { nats: nats.servers.join(",") }),
    postgres: postgres.url,
    s3: s3.endpoint,
    issuer: issuer.url,
    ...(scrum === undefined ? {} : { scrum: scrum.url }),
  };
}

/** @returns the same without passwords */
export function shownAddresses(addresses: Addresses): Addresses {
  const shown = (address: string) => address.replace(/^(postgres:\/\/[^:@/]+):[^@/]+@/, "$1@");
  return Object.fromEntries(Object.entries(addresses).map(([name, address]) => [name, shown(address)]));
}

/** Prints the address of a part of the stack; without a name, those of all parts. @throws CliError 2 when it has no such part */
export function printAddress(name: string | undefined, { state, json }: { state?: string; json?: boolean }): void {
  const addresses = addressesOf(requireRunningStack(process.cwd(), state));
  if (name === undefined) {
    const all = shownAddresses(addresses);
    if (json) print(jsonText(all));
    else for (const line of factLines(Object.entries(all))) print(line);
    return;
  }
  const address = Object.hasOwn(addresses, name) ? addresses[name] : undefined;
  if (address === undefined) throw unknownName(name, Object.keys(addresses));
  print(json ? jsonText({ [name]: address }) : address);
}

function unknownName(name: string, known: readonly string[]): CliError {
  const why =
    {
      scrum: "; the Scrum service is there after `automation up --demo`",
      kafka: "; Kafka is there without `--bus nats`",
      nats: "; NATS is there after `automation up --bus nats`",
    }[name] ?? "";
  const fault = `${JSON.stringify(name)} is no part of this stack`;
  return new CliError(2, fault, { code: "usage", remedy: `name one of ${known.join(", ")}${why}` });
}
