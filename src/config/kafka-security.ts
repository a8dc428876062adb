import { readCertificates } from "./read-certificates.ts";
import type { SecretFiles } from "./secret-files.ts";
import { oneLine } from "./secret-files.ts";
import { UnusableConfigurationError } from "./unusable-configuration-error.ts";

/** How a client of Kafka encrypts, and who it says it is. */
export interface KafkaSecurity {
  /** `ca`: authorities that are trusted in place of the system's, PEM. */
  readonly tls?: { readonly ca?: string };
  readonly sasl?: {
    readonly mechanism: "SCRAM-SHA-512" | "SCRAM-SHA-256" | "PLAIN";
    readonly username: string;
    /** Asked for at each new connection. */
    readonly password: () => string;
  };
}

export interface KafkaSettings {
  readonly AUTOMATION_KAFKA_TLS: "on" | "off";
  readonly AUTOMATION_KAFKA_CA_FILE?: string | undefined;
  readonly AUTOMATION_KAFKA_SASL_MECHANISM?: "SCRAM-SHA-512" | "SCRAM-SHA-256" | "PLAIN" | undefined;
  readonly AUTOMATION_KAFKA_USERNAME?: string | undefined;
  readonly AUTOMATION_KAFKA_PASSWORD_FILE?: string | undefined;
}

/** @throws UnusableConfigurationError, UnusableSecretError */
export function kafkaSecurityOf(settings: KafkaSettings, secrets: SecretFiles): KafkaSecurity {
  const isEncrypted = settings.AUTOMATION_KAFKA_TLS === "on";
  const caFile = settings.AUTOMATION_KAFKA_CA_FILE;
  if (caFile !== undefined && !isEncrypted)
    throw new UnusableConfigurationError(
      `AUTOMATION_KAFKA_CA_FILE is set to ${caFile}, and AUTOMATION_KAFKA_TLS is off: turn it on, or leave the file out`,
    );
  return {
    ...(isEncrypted && {
      tls: caFile === undefined ? {} : { ca: readCertificates("AUTOMATION_KAFKA_CA_FILE", caFile) },
    }),
    ...saslOf(settings, secrets),
  };
}

function saslOf(settings: KafkaSettings, secrets: SecretFiles): Pick<KafkaSecurity, "sasl"> {
  const {
    AUTOMATION_KAFKA_SASL_MECHANISM: mechanism,
    AUTOMATION_KAFKA_USERNAME: username,
    AUTOMATION_KAFKA_PASSWORD_FILE: file,
  } = settings;
  if (mechanism === undefined && username === undefined && file === undefined) return {};
  if (mechanism === undefined || username === undefined || file === undefined)
    throw new UnusableConfigurationError(
      "AUTOMATION_KAFKA_SASL_MECHANISM, AUTOMATION_KAFKA_USERNAME and AUTOMATION_KAFKA_PASSWORD_FILE belong together: set all three or none",
    );
  if (mechanism === "PLAIN" && settings.AUTOMATION_KAFKA_TLS === "off")
    throw new UnusableConfigurationError(
      "AUTOMATION_KAFKA_SASL_MECHANISM PLAIN without AUTOMATION_KAFKA_TLS sends the password in clear: turn TLS on, or use SCRAM-SHA-512",
    );
  return { sasl: { mechanism, username, password: secrets.open("kafka", [file], oneLine) } };
}
