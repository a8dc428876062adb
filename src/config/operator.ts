import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { JsonValue } from "@bufbuild/protobuf";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { parse } from "yaml";
import { z } from "zod";
import type { IsolationClassJson, LimitsJson, PolicyJson } from "../gen/automation/v1/policy_pb.ts";
import { PolicySchema } from "../gen/automation/v1/policy_pb.ts";
import { namePattern } from "../text/name.ts";
import { cutText } from "../text/strangers-text.ts";
import { platformPaths } from "./platform-paths.ts";
import { UnusableConfigurationError } from "./unusable-configuration-error.ts";

const tenant = z.string().regex(namePattern, `must match ${namePattern.source}`);

const validator = createValidator();
/** A policy as its proto JSON. */
const policy = z.json().transform((json, context): PolicyJson => {
  try {
    const message = fromJson(PolicySchema, json as JsonValue);
    const checked = validator.validate(PolicySchema, message);
    if (checked.kind === "valid") return toJson(PolicySchema, message);
    const violations = checked.kind === "invalid" ? checked.violations.map(String) : [String(checked.error)];
    for (const message of violations) context.addIssue({ code: "custom", message });
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
  }
  return z.NEVER;
});

const gibibyte = 1024 ** 3;
const mebibyte = 1024 ** 2;
const platformLimits: Required<LimitsJson> = {
  memoryBytes: String(2 * gibibyte),
  processes: 256,
  outputBytes: String(16 * mebibyte),
  diskBytes: String(2 * gibibyte),
  stepTime: "600s",
  idleTime: "120s",
  patchBytes: String(4 * mebibyte),
  changedFiles: 500,
};

const isolationClass = z
  .enum(["uid", "userns"])
  .transform((name): IsolationClassJson => (name === "uid" ? "ISOLATION_CLASS_UID" : "ISOLATION_CLASS_USERNS"));

const longestLimitSeconds = 30 * 24 * 3_600;
/** @returns whole seconds */
const timeLimit = (ordinary: string) =>
  z
    .string()
    .regex(/^[0-9]+s$/, "must be whole seconds, for example 3600s")
    .default(ordinary)
    .transform((text) => Number(text.slice(0, -1)))
    .refine((seconds) => seconds >= 1 && seconds <= longestLimitSeconds, "must be between 1s and 2592000s (30 days)");

/** Time limits of runs whose plan has none. */
const runs = z
  .strictObject({
    /** Until the work begins. */
    queueLimit: timeLimit("86400s"),
    /** Of the work. */
    timeLimit: timeLimit("3600s"),
    /** Of the hand-off. */
    handoffLimit: timeLimit("259200s"),
    /** Starts of a tenant for each start of one that is not named here, while both wait. */
    weights: z.record(tenant, z.int().min(1).max(100)).default({}),
  })
  .transform(({ queueLimit, timeLimit, handoffLimit, weights }) => ({
    weights,
    queueLimitSeconds: queueLimit,
    workLimitSeconds: timeLimit,
    handoffLimitSeconds: handoffLimit,
  }));

/** @returns days */
const daysKept = (least: number, why: string) =>
  z
    .string()
    .regex(/^[0-9]{1,5}d$/, "must be whole days, for example 400d")
    .transform((text) => Number(text.slice(0, -1)))
    .refine((days) => days >= least, `must be ${least}d or more: ${why}`)
    .optional();

/** For how long what has ended is kept; left out: for ever. */
const retention = z.strictObject({
  runEvents: daysKept(93, "a run may go on that long"),
  requests: daysKept(30, "requests are explained from them"),
  deliveries: daysKept(30, "the bus may bring them again"),
});

/** Work in boxes: isolation classes, policy, repositories. */
const workspaces = z.strictObject({
  /** Isolation classes that this installation has workers for; empty: a plan with steps is refused. */
  isolation: z.array(isolationClass).default([]),
  /** The platform's layer of every run's policy. Limits that it leaves out are those above, and paths `platformPaths`. */
  policy: policy.default({}).transform(
    (own): PolicyJson => ({
      ...own,
      paths: { ...platformPaths, ...own.paths },
      limits: { ...platformLimits, ...own.limits },
    }),
  ),
  /** The layer of a tenant. */
  tenants: z.record(tenant, policy).default({}),
  /** What tenants may declare as repositories. */
  repositories: z
    .strictObject({
      /** Hosts that may be used by https: `host`, or `host:port` for another port than 443. */
      hosts: z
        .array(z.string().regex(/^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$/, "must be host or host:port, in lower case"))
        .default([]),
      /** Folders with the tenants' own repositories. */
      roots: z
        .array(
          z.strictObject({
            path: z
              .string()
              .regex(
                /^(?!.*\/\.{0,2}(\/|$))\/[^\0]+$/,
                "must be an absolute path without . and .. and a slash at the end",
              ),
            tenants: z.array(tenant).min(1),
          }),
        )
        .default([]),
    })
    .prefault({}),
});

/** An origin as browsers send it; `:*` stands for every port. */
const origin = z
  .string()
  .refine(
    (text) => isOrigin(text.endsWith(":*") ? text.slice(0, -2) : text),
    "must be an origin as browsers send it, for example https://app.example, or http://localhost:* for every port",
  );

function isOrigin(text: string): boolean {
  return /^https?:[^*]*$/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

/** What the api's port allows beside its calls. */
const api = z.strictObject({
  /** Origins of pages that may call it from browsers. */
  corsOrigins: z.array(origin).default([]),
  /** Whether it answers gRPC reflection, for anybody who asks: for development. */
  reflection: z.boolean().default(false),
});

/** @returns milliseconds */
const tryTimeout = z
  .string()
  .regex(/^[0-9]{1,6}(ms|s)$/, "must be whole milliseconds or seconds, for example 500ms or 10s")
  .default("10s")
  .transform((text) => Number.parseInt(text, 10) * (text.endsWith("ms") ? 1 : 1_000))
  .refine((ms) => ms >= 100 && ms <= 60_000, "must be between 100ms and 60s");

/** A methodology's service: what it speaks, where it is, and how long it may take to answer a call. */
const methodology = z
  .strictObject({
    /** The methodology that it serves, for example `scrum`. */
    method: z.string("must name the methodology that it serves, for example scrum"),
    /** `connect` or `grpc`. */
    protocol: z.string().default("connect"),
    endpoint: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }),
    tokenFile: z.string().min(1),
    tryTimeout,
  })
  .transform(({ tryTimeout, ...where }) => ({ ...where, tryTimeoutMs: tryTimeout }));

const buses = ["kafka", "nats"] as const;

/**
 * What only the operator decides, in one YAML file: which sources may publish on which topic, where hand-offs go, how work is isolated, and the prefix of signed URIs.
 * Tenants can't declare any of it.
 */
const operator = z.strictObject({
  /** A bus does not tell who produced a record, so a source is bound to (bus, cluster, topic), tenants, orgs and types here. Producers of one topic trust each other. */
  sources: z
    .array(
      z.strictObject({
        bus: z.enum(buses, {
          error: `is not a bus that is supported: ${buses.join(", ")}`,
        }),
        cluster: z.string().min(1),
        topic: z.string().min(1),
        source: z.string().min(1).max(500),
        tenants: z.array(tenant).min(1),
        /** Required, so that no source is bound to every org by mistake; `*`: every org of these tenants. */
        orgs: z.array(z.union([z.literal("*"), tenant])).min(1),
        types: z.array(z.string().min(1)).min(1),
      }),
    )
    .default([]),
  /** Receivers of hand-offs: the methodologies' services, by the name that a profile's `handoff.receiver` uses. */
  methodologies: z.record(z.string(), methodology).default({}),
  /** Roles that people of this installation can hold; an event that expects another one is rejected. */
  roles: z.array(z.string().min(1)).default([]),
  api: api.prefault({}),
  runs: runs.prefault({}),
  retention: retention.prefault({}),
  workspaces: workspaces.prefault({}),
  proof: z.strictObject({
    /** Prefix of every predicate, builder and verifier URI, without a trailing slash. */
    baseUri: z.url().regex(/[^/]$/, "must not end in a slash"),
  }),
});

export type Operator = z.output<typeof operator>;
export type SourceBinding = Operator["sources"][number];

/**
 * @param path - operator file, YAML
 * @returns what it says, with the first 12 characters of its SHA-256
 * @throws UnusableConfigurationError that names the file, the field or line, and the rule
 */
export function readOperator(path: string): Operator & { readonly digest: string } {
  let digest: string;
  let document: unknown;
  try {
    const text = readFileSync(path, "utf8");
    digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
    document = parse(text);
  } catch (cause) {
    throw unusable(path, cause);
  }
  const parsed = operator.safeParse(document);
  if (parsed.success) return { ...parsed.data, digest };
  throw unusable(path, new Error(parsed.error.issues.flatMap((issue) => faultsOfIssue(issue, document)).join("; ")));
}

/**
 * Lets rooms check or use what the operator file says.
 * @throws UnusableConfigurationError with the file and the message of what `use` throws
 */
export function useOperator<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (cause) {
    throw unusable(path, cause);
  }
}

function unusable(path: string, cause: unknown): UnusableConfigurationError {
  const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
  return new UnusableConfigurationError(`the operator file ${path} is not usable: ${why}; correct it`, { cause });
}

/** @returns field, value and rule */
function faultsOfIssue(issue: z.core.$ZodIssue, document: unknown): string[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${[...issue.path, key].join(".")} is no field that is known here`);
  const value = issue.path.reduce<unknown>((at, part) => (isObject(at) ? at[part] : undefined), document);
  const shown = value === undefined ? "(absent)" : cutText(JSON.stringify(value), 80);
  const rule =
    issue.code === "invalid_type" && /^Invalid input/.test(issue.message) ? ruleOfType(issue) : issue.message;
  return [`${issue.path.join(".") || "the document"} ${shown}: ${rule}`];
}

const ruleOfType = ({ expected }: z.core.$ZodIssueInvalidType): string =>
  `must be ${expected === "object" ? "a mapping of fields" : expected === "array" ? "a list" : `a ${expected}`}`;

const isObject = (value: unknown): value is Readonly<Record<PropertyKey, unknown>> =>
  typeof value === "object" && value !== null;
