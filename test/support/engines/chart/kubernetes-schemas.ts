import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { buildIntoCache } from "../../../../local/engines/cache.ts";
import type { Find } from "../../../../local/engines/find.ts";
import { requireProgram } from "../../../../local/engines/programs.ts";
import { runProgram } from "../../../../local/engines/run-program.ts";

/** Where the schemas come from, with the checksums that go.sum files have. */
const kubernetes = { module: "k8s.io/kubernetes@v1.35.4", sum: "h1:o/8dBC/pHVpYoGV4OAIytAlNPZbdYVTXJHoYvXC4qzM=" };
const extensions = [
  {
    module: "github.com/kedacore/keda/v2@v2.21.0",
    sum: "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps=",
    files: ["config/crd/bases/keda.sh_scaledobjects.yaml"],
  },
  {
    module: "github.com/external-secrets/external-secrets@v1.3.2",
    sum: "h1:u2J8RjlHIeF0oZCqtl92adI/uZWUwOesJIDkfql6LqQ=",
    files: ["config/crds/bases/external-secrets.io_externalsecrets.yaml"],
  },
  {
    module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
    sum: "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    files: ["podmonitors", "servicemonitors", "prometheusrules"].map(
      (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  },
  {
    module: "sigs.k8s.io/gateway-api@v1.6.3",
    sum: "h1:lKpJa5bGlraC/QeACvCpsHLdmO6y0iKfzVl6gzaFEYc=",
    files: ["config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"],
  },
];

/** Raised with every change of what is made from them. */
const edition = 1;

/**
 * Fetches the definitions of every object that the chart may render.
 * @returns folders of `crds`, to install into a cluster, and `schemas`, for kubeconform; made in the cache of engines if need be. @throws EngineError
 */
export async function findKubernetesSchemas(find: Find): Promise<{ readonly crds: string; readonly schemas: string }> {
  const found = await buildIntoCache(
    {
      engine: "kubernetes-schemas",
      version: `${kubernetes.module.split("@v")[1]}-${edition}`,
      spaceBytes: 1e9,
      duration: "about half a minute",
      make: async (dir, step) => {
        const crds = join(dir, "crds");
        const schemas = join(dir, "schemas");
        for (const folder of [crds, schemas]) mkdirSync(folder);
        step(kubernetes.module);
        const folder = await fetchModule(kubernetes, find);
        writeBuiltIn(JSON.parse(readFileSync(join(folder, "api/openapi-spec/swagger.json"), "utf8")), schemas);
        for (const { files, ...which } of extensions) {
          step(which.module);
          const folder = await fetchModule(which, find);
          for (const file of files) {
            copyFileSync(join(folder, file), join(crds, file.split("/").at(-1) ?? file));
            writeExtension(parse(readFileSync(join(folder, file), "utf8")), schemas);
          }
        }
      },
    },
    find,
  );
  return { crds: join(found, "crds"), schemas: join(found, "schemas") };
}

async function fetchModule(which: { readonly module: string; readonly sum: string }, find: Find): Promise<string> {
  const go = requireProgram(
    "kubernetes-schemas",
    "go",
    "to fetch them",
    "install Go 1.25 or newer from https://go.dev/dl",
  );
  const argv = [go, "mod", "download", "-json", which.module];
  const { code, stdout, stderr } = await runProgram(argv, { cwd: "/", limitMs: 5 * 60_000, signal: find.signal });
  if (code !== 0) throw new Error(stderr || stdout);
  const { Dir: dir, Sum: sum } = JSON.parse(stdout) as { Dir: string; Sum: string };
  if (sum !== which.sum) throw new Error(`${which.module} has the checksum ${sum}, not ${which.sum}`);
  return dir;
}

type Schema = Record<string, unknown>;
interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The name under which kubeconform asks for a kind. */
const fileOf = ({ group, version, kind }: Kind) =>
  [kind.toLowerCase(), ...(group === "" ? [] : [group.split(".")[0]]), version.toLowerCase()].join("-");

function writeBuiltIn({ definitions }: { definitions: Record<string, Schema> }, dir: string): void {
  const strict = Object.fromEntries(Object.entries(definitions).map(([name, schema]) => [name, strictly(schema)]));
  strict["io.k8s.apimachinery.pkg.api.resource.Quantity"] = { type: ["string", "number"] };
  strict["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = { type: ["string", "integer"] };
  for (const [name, schema] of Object.entries(definitions)) {
    const kinds = (schema["x-kubernetes-group-version-kind"] ?? []) as Kind[];
    if (kinds.length !== 1 || kinds[0] === undefined || !("properties" in schema)) continue;
    const used = usedBy(name, strict);
    const whole = { $ref: `#/definitions/${name}`, definitions: used };
    writeFileSync(join(dir, `${fileOf(kinds[0])}.json`), JSON.stringify(whole));
  }
}

/** @returns a definition with all that it refers to */
function usedBy(name: string, all: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const used = new Map<string, unknown>();
  const add = (one: string): void => {
    if (used.has(one)) return;
    used.set(one, all[one]);
    for (const [, next = ""] of JSON.stringify(all[one]).matchAll(/"#\/definitions\/([^"]+)"/g)) add(next);
  };
  add(name);
  return Object.fromEntries(used);
}

interface Extension {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

function writeExtension({ spec }: Extension, dir: string): void {
  for (const { name: version, schema } of spec.versions) {
    const file = `${fileOf({ group: spec.group, version, kind: spec.names.kind })}.json`;
    const { metadata: _, ...properties } = schema.openAPIV3Schema.properties as Record<string, Schema>;
    const whole = { ...schema.openAPIV3Schema, properties: { ...properties, metadata: { type: "object" } } };
    writeFileSync(join(dir, file), JSON.stringify(strictly(whole)));
  }
}

/** Refuses fields that a schema does not name, wherever it names any. */
function strictly(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strictly);
  if (typeof schema !== "object" || schema === null) return schema;
  const own = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, strictly(value)]));
  if (own["x-kubernetes-int-or-string"] === true) return { type: ["string", "integer"] };
  const isClosed = own.type === "object" && typeof own.properties === "object" && !("additionalProperties" in own);
  return isClosed && own["x-kubernetes-preserve-unknown-fields"] !== true
    ? { ...own, additionalProperties: false }
    : own;
}
