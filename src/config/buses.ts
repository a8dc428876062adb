import type { Environment } from "./environment.ts";
import type { KafkaSecurity } from "./kafka-security.ts";
import { kafkaSecurityOf } from "./kafka-security.ts";
import type { NatsSecurity } from "./nats-security.ts";
import { natsSecurityOf } from "./nats-security.ts";
import type { SecretFiles } from "./secret-files.ts";
import { UnusableConfigurationError } from "./unusable-configuration-error.ts";

/** The buses that a process is told of, at least one. `cluster` is the name that `sources` of the operator file use. */
export interface Buses {
  readonly kafka?: { readonly brokers: readonly string[]; readonly cluster: string; readonly security: KafkaSecurity };
  readonly nats?: {
    readonly servers: readonly string[];
    readonly cluster: string;
    readonly replicas: number;
    readonly security: NatsSecurity;
  };
}

type BusSettings = Pick<
  Environment<"migrate">,
  Extract<keyof Environment<"migrate">, `AUTOMATION_${"KAFKA" | "NATS"}_${string}`>
>;

/** @throws UnusableConfigurationError, UnusableSecretError */
export function busesOf(settings: BusSettings, secrets: SecretFiles): Buses {
  const { AUTOMATION_KAFKA_BROKERS: brokers, AUTOMATION_NATS_SERVERS: servers } = settings;
  if (brokers === undefined && servers === undefined)
    throw new UnusableConfigurationError(
      "AUTOMATION_KAFKA_BROKERS and AUTOMATION_NATS_SERVERS are not set: set one for each bus that is used, HOST:PORT with commas between them",
    );
  const clusterOf = (name: "AUTOMATION_KAFKA_CLUSTER" | "AUTOMATION_NATS_CLUSTER"): string => {
    const cluster = settings[name];
    if (cluster === undefined)
      throw new UnusableConfigurationError(
        `${name} is not set: give the bus the name that \`sources\` of the operator file use`,
      );
    return cluster;
  };
  return {
    ...(brokers && {
      kafka: { brokers, cluster: clusterOf("AUTOMATION_KAFKA_CLUSTER"), security: kafkaSecurityOf(settings, secrets) },
    }),
    ...(servers && {
      nats: {
        servers,
        cluster: clusterOf("AUTOMATION_NATS_CLUSTER"),
        replicas: settings.AUTOMATION_NATS_REPLICAS,
        security: natsSecurityOf(settings, secrets),
      },
    }),
  };
}

/** The bus that gets run events, governance events and quarantined records. @throws UnusableConfigurationError when there are two and none is chosen, or the chosen one is not there */
export function eventBusOf(buses: Buses, chosen: "kafka" | "nats" | undefined): "kafka" | "nats" {
  const [only, another] = (["kafka", "nats"] as const).filter((bus) => buses[bus] !== undefined);
  if (chosen === undefined && another !== undefined)
    throw new UnusableConfigurationError(
      "AUTOMATION_EVENT_BUS is not set, and both Kafka and NATS are: set it to kafka or nats, the bus that gets run events",
    );
  const bus = chosen ?? only ?? "kafka";
  if (buses[bus] !== undefined) return bus;
  const needed = bus === "kafka" ? "AUTOMATION_KAFKA_BROKERS" : "AUTOMATION_NATS_SERVERS";
  throw new UnusableConfigurationError(
    `AUTOMATION_EVENT_BUS is ${bus}, and ${needed} is not set: set it, or choose the other bus`,
  );
}
