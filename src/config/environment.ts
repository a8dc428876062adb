import { z } from "zod";
import { UnusableConfigurationError } from "./unusable-configuration-error.ts";

/**
 * What each process reads from its environment; nothing else reads it. The error for a missing or malformed variable names it and its rule.
 * Files named here (operator file, token file, keys) are read when they are needed, so that a rotated file is picked up.
 */
const address = z.string().regex(/^[^:\s]+:\d{1,5}$/, "must be HOST:PORT, for example 127.0.0.1:8080");
const url = z.url({ error: "must be a URL" });
const path = z.string().min(1);

const list = z
  .string()
  .default("")
  .transform((text) => text.split(",").filter((part) => part !== ""));
const tenantRoot = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]*=\//, "must be TENANT=/FOLDER, several with commas between them")
  .transform((text) => ({ tenant: text.slice(0, text.indexOf("=")), path: text.slice(text.indexOf("=") + 1) }));

const common = { AUTOMATION_LOG_LEVEL: z.enum(["debug", "info", "warn", "error"]).default("info") };
/** Where spans and metrics are sent; unset: nowhere. The OpenTelemetry SDK reads the other OTEL_* variables itself. */
const telemetry = {
  OTEL_EXPORTER_OTLP_ENDPOINT: url.optional(),
  OTEL_EXPORTER_OTLP_PROTOCOL: z
    .enum(["http/protobuf", "http/json"], {
      error: "must be http/protobuf or http/json; collectors take both on port 4318",
    })
    .default("http/protobuf"),
  OTEL_METRICS_EXPORTER: z.enum(["otlp", "none"]).default("otlp"),
};
const health = {
  AUTOMATION_HEALTH_ADDRESS: address,
  /** A part that stands still for longer makes /readyz say 503. */
  AUTOMATION_STANDSTILL_SECONDS: z.coerce.number().int().min(1).max(3_600).default(30),
};
/** The password is the URL's own, or the file's: a line, or two while it is changed. */
const postgres = { AUTOMATION_POSTGRES_URL: url, AUTOMATION_POSTGRES_PASSWORD_FILE: path.optional() };
const onOrOff = z.enum(["on", "off"], { error: "must be on or off" }).default("off");
const kafkaSecurity = {
  AUTOMATION_KAFKA_TLS: onOrOff,
  /** Authorities that are trusted in place of the system's. */
  AUTOMATION_KAFKA_CA_FILE: path.optional(),
  AUTOMATION_KAFKA_SASL_MECHANISM: z
    .enum(["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"], { error: "must be SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN" })
    .optional(),
  AUTOMATION_KAFKA_USERNAME: z.string().min(1).optional(),
  AUTOMATION_KAFKA_PASSWORD_FILE: path.optional(),
};
const natsSecurity = {
  AUTOMATION_NATS_TLS: onOrOff,
  /** Authorities that are trusted in place of the system's. */
  AUTOMATION_NATS_CA_FILE: path.optional(),
  AUTOMATION_NATS_USERNAME: z.string().min(1).optional(),
  AUTOMATION_NATS_PASSWORD_FILE: path.optional(),
};
const addresses = z
  .string()
  .min(1)
  .transform((list) => list.split(","));
/** Kafka, NATS JetStream or both; `buses.ts` says which settings belong together. */
const buses = {
  AUTOMATION_KAFKA_BROKERS: addresses.optional(),
  AUTOMATION_KAFKA_CLUSTER: z.string().min(1).optional(),
  ...kafkaSecurity,
  AUTOMATION_NATS_SERVERS: addresses.optional(),
  AUTOMATION_NATS_CLUSTER: z.string().min(1).optional(),
  /** Of streams that the migration makes. */
  AUTOMATION_NATS_REPLICAS: z.coerce.number().int().min(1).max(5).default(1),
  ...natsSecurity,
};
const eventBus = {
  /** Gets run events; needed when there are two buses. */
  AUTOMATION_EVENT_BUS: z.enum(["kafka", "nats"], { error: "must be kafka or nats" }).optional(),
};
const temporal = {
  AUTOMATION_TEMPORAL_ADDRESS: address,
  AUTOMATION_TEMPORAL_NAMESPACE: z.string().min(1),
  AUTOMATION_TEMPORAL_TLS: onOrOff,
  /** Authorities that are trusted in place of the system's. */
  AUTOMATION_TEMPORAL_CA_FILE: path.optional(),
  /** A folder with tls.crt and tls.key, for servers that want a certificate. */
  AUTOMATION_TEMPORAL_CERTIFICATE_DIR: path.optional(),
};
const s3 = {
  AUTOMATION_S3_ENDPOINT: url,
  AUTOMATION_S3_REGION: z.string().min(1),
  AUTOMATION_S3_BUCKET: z.string().min(3),
  /** A folder with the files access-key-id and secret-access-key. */
  AUTOMATION_S3_CREDENTIALS_DIR: path,
};

const environments = {
  /** `automation event publish`. */
  publish: z.object({ ...kafkaSecurity, ...natsSecurity }),
  api: z.object({
    ...common,
    ...telemetry,
    ...health,
    ...postgres,
    ...s3,
    AUTOMATION_API_ADDRESS: address,
    AUTOMATION_ISSUER_URL: url,
    AUTOMATION_KEYS_DIR: path,
    AUTOMATION_OPERATOR_FILE: path,
  }),
  dispatcher: z.object({
    ...common,
    ...telemetry,
    ...health,
    ...postgres,
    ...buses,
    ...temporal,
    AUTOMATION_OPERATOR_FILE: path,
    AUTOMATION_RELEASE_MAX_UNBEGUN: z.coerce.number().int().min(1).max(100_000).default(32),
    AUTOMATION_RECONCILE_AFTER_SECONDS: z.coerce.number().int().min(1).max(86_400).default(30),
  }),
  relay: z.object({ ...common, ...telemetry, ...health, ...postgres, ...buses, ...eventBus }),
  /** `automation republish`. */
  republish: z.object({ ...postgres, ...buses, ...eventBus }),
  worker: z.object({
    ...common,
    ...telemetry,
    ...health,
    ...temporal,
    AUTOMATION_API_URL: url,
    AUTOMATION_TOKEN_FILE: path,
    /** Set: runs end on the build on which they began. */
    AUTOMATION_WORKER_BUILD_ID: z
      .string()
      .regex(/^[\w.-]{1,64}$/, "must be 1 to 64 letters, digits, `.`, `_` and `-`, for example 0.1.0")
      .optional(),
  }),
  workspace: z.object({
    ...common,
    ...telemetry,
    ...health,
    ...temporal,
    AUTOMATION_API_URL: url,
    AUTOMATION_TOKEN_FILE: path,
    AUTOMATION_RUN_AREA: path.regex(/^\//, "must be an absolute path outside homes, for example /var/tmp/automation"),
    AUTOMATION_WORKSPACE_SLOTS: z.coerce.number().int().min(1).max(64).optional(),
    AUTOMATION_REPOSITORY_HOSTS: list,
    AUTOMATION_REPOSITORY_ROOTS: list.pipe(z.array(tenantRoot)),
    AUTOMATION_REPOSITORY_CA_FILE: path.optional(),
    AUTOMATION_MIRROR_QUOTA_BYTES: z.coerce
      .number()
      .int()
      .min(1024 ** 2)
      .optional(),
    AUTOMATION_GIT_MEMORY_BYTES: z.coerce
      .number()
      .int()
      .min(64 * 1024 ** 2)
      .optional(),
  }),
  /** `automation check` and `automation sweep`, as far as they are told. */
  check: z.object({ ...postgres }),
  objects: z.object({ ...s3 }),
  /** `automation check --watch`, besides. */
  watch: z.object({ ...common, ...telemetry, ...health }),
  migrate: z.object({
    ...common,
    AUTOMATION_POSTGRES_ADMIN_URL: url,
    AUTOMATION_POSTGRES_ADMIN_PASSWORD_FILE: path.optional(),
    /** A folder with a file for each role: migrate, api, dispatcher, relay, and check unless nobody checks. Of two lines the first counts. */
    AUTOMATION_POSTGRES_PASSWORDS_DIR: path,
    ...buses,
    ...s3,
  }),
};

export type ProcessName = keyof typeof environments;
export type Environment<P extends ProcessName> = z.output<(typeof environments)[P]>;

/**
 * Reads the environment of one process.
 * @throws UnusableConfigurationError that names each bad variable, its rule and the process, never its value (it may be a secret)
 */
export function readEnvironment<P extends ProcessName>(name: P, source: NodeJS.ProcessEnv): Environment<P> {
  const parsed = environments[name].safeParse(source);
  if (parsed.success) return parsed.data as Environment<P>;
  const faults = parsed.error.issues.map(({ path, message }) => {
    const variable = path.join(".");
    return `${variable}: ${source[variable] === undefined ? "must be set" : message}`;
  });
  const fault = `the environment of ${name} is not usable: ${faults.join("; ")}`;
  throw new UnusableConfigurationError(`${fault}; \`automation up\` sets all of it for a local stack`);
}
