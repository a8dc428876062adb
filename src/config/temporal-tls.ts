import { join } from "node:path";
import { readCertificates, readPem } from "./read-certificates.ts";
import { UnusableConfigurationError } from "./unusable-configuration-error.ts";

/** How a client of Temporal encrypts, as Temporal's SDK takes it. */
export interface TemporalTls {
  /** Authorities that are trusted in place of the system's, PEM. */
  readonly serverRootCACertificate?: Buffer;
  /** Who the client says it is, PEM. */
  readonly clientCertPair?: { readonly crt: Buffer; readonly key: Buffer };
}

export interface TemporalSettings {
  readonly AUTOMATION_TEMPORAL_TLS: "on" | "off";
  readonly AUTOMATION_TEMPORAL_CA_FILE?: string | undefined;
  readonly AUTOMATION_TEMPORAL_CERTIFICATE_DIR?: string | undefined;
}

/**
 * Reads the files once: the SDK keeps them for as long as it has its connection.
 * @returns undefined when TLS is off
 * @throws UnusableConfigurationError
 */
export function temporalTlsOf(settings: TemporalSettings): TemporalTls | undefined {
  const { AUTOMATION_TEMPORAL_CA_FILE: caFile, AUTOMATION_TEMPORAL_CERTIFICATE_DIR: dir } = settings;
  if (settings.AUTOMATION_TEMPORAL_TLS === "off") {
    if (caFile === undefined && dir === undefined) return undefined;
    throw new UnusableConfigurationError(
      "AUTOMATION_TEMPORAL_CA_FILE or AUTOMATION_TEMPORAL_CERTIFICATE_DIR is set, and AUTOMATION_TEMPORAL_TLS is off: turn it on, or leave them out",
    );
  }
  return {
    ...(caFile !== undefined && {
      serverRootCACertificate: Buffer.from(readCertificates("AUTOMATION_TEMPORAL_CA_FILE", caFile)),
    }),
    ...(dir !== undefined && {
      clientCertPair: {
        crt: Buffer.from(readCertificates("AUTOMATION_TEMPORAL_CERTIFICATE_DIR", join(dir, "tls.crt"))),
        key: Buffer.from(readPem("AUTOMATION_TEMPORAL_CERTIFICATE_DIR", join(dir, "tls.key"))),
      },
    }),
  };
}
