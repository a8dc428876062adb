import { readCertificates } from "./read-certificates.ts";
import type { SecretFiles } from "./secret-files.ts";
import { oneLine } from "./secret-files.ts";
import { UnusableConfigurationError } from "./unusable-configuration-error.ts";

/** How a client of NATS encrypts, and who it says it is. */
export interface NatsSecurity {
  /** `ca`: authorities that are trusted in place of the system's, PEM. */
  readonly tls?: { readonly ca?: string };
  /** `password` is asked for at each new connection. */
  readonly user?: { readonly name: string; readonly password: () => string };
}

export interface NatsSettings {
  readonly AUTOMATION_NATS_TLS: "on" | "off";
  readonly AUTOMATION_NATS_CA_FILE?: string | undefined;
  readonly AUTOMATION_NATS_USERNAME?: string | undefined;
  readonly AUTOMATION_NATS_PASSWORD_FILE?: string | undefined;
}

/** @throws UnusableConfigurationError, UnusableSecretError */
export function natsSecurityOf(settings: NatsSettings, secrets: SecretFiles): NatsSecurity {
  const isEncrypted = settings.AUTOMATION_NATS_TLS === "on";
  const {
    AUTOMATION_NATS_CA_FILE: caFile,
    AUTOMATION_NATS_USERNAME: name,
    AUTOMATION_NATS_PASSWORD_FILE: file,
  } = settings;
  if (caFile !== undefined && !isEncrypted)
    throw new UnusableConfigurationError(
      `AUTOMATION_NATS_CA_FILE is set to ${caFile}, and AUTOMATION_NATS_TLS is off: turn it on, or leave the file out`,
    );
  if ((name === undefined) !== (file === undefined))
    throw new UnusableConfigurationError(
      "AUTOMATION_NATS_USERNAME and AUTOMATION_NATS_PASSWORD_FILE belong together: set both or none",
    );
  return {
    ...(isEncrypted && {
      tls: caFile === undefined ? {} : { ca: readCertificates("AUTOMATION_NATS_CA_FILE", caFile) },
    }),
    ...(name !== undefined &&
      file !== undefined && { user: { name, password: secrets.open("nats", [file], oneLine) } }),
  };
}
