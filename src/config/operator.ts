import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";

const tenant = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must match [a-z0-9][a-z0-9-]{0,62}");

/**
 * What only the operator decides, in one YAML file: who may speak on which topic, how methodologies are reached, and the URIs that are signed for ever.
 * Tenants cannot declare any of it.
 */
const operator = z.strictObject({
  /** Kafka carries no producer identity, so a source is bound to (cluster, topic), tenants and types here. Producers of one topic trust each other. */
  sources: z
    .array(
      z.strictObject({
        cluster: z.string().min(1),
        topic: z.string().min(1),
        source: z.string().min(1).max(500),
        tenants: z.array(tenant).min(1),
        types: z.array(z.string().min(1)).min(1),
      }),
    )
    .default([]),
  /** Endpoints and credentials of methodology services, by the name that a profile's hand-off uses. */
  methodologies: z.record(z.string(), z.strictObject({ endpoint: z.url(), tokenFile: z.string().min(1) })).default({}),
  /** Roles that people of this installation can hold; an event that expects another one is rejected. */
  roles: z.array(z.string().min(1)).default([]),
  proof: z.strictObject({
    /** Prefix of every predicate, builder and verifier URI, without a trailing slash. */
    baseUri: z.url().regex(/[^/]$/, "must not end in a slash"),
  }),
});

export type Operator = z.output<typeof operator>;
export type SourceBinding = Operator["sources"][number];

/**
 * @param path - operator file, YAML
 * @throws Error that names the file, the field, and the rule
 */
export function readOperator(path: string): Operator {
  const parsed = operator.safeParse(parse(readFileSync(path, "utf8")));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new Error(`the operator file ${path} is not usable: ${faults.join("; ")}`);
}
