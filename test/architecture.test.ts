import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

/** Enforces the import table: which part of the code may know which other part. `docs/architecture.md` shows it. */
const root = resolve(import.meta.dirname, "..");

/** One line: a room may use the rooms left of it. */
const rooms = [
  "loops",
  "text",
  "tenancy",
  "artifacts",
  "personas",
  "definitions",
  "graph",
  "methodology",
  "rules",
  "runs",
  "requests",
  "work",
  "proof",
  "seal",
  "admission",
  "check",
  "upkeep",
];

const validateOptions = "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** Packages by who may import them, exactly as they are named in the import; nobody else may, and no other package may be imported at all. */
const packages: Record<string, readonly string[]> = {
  text: ["canonicalize", "jsonc-parser"],
  tenancy: ["jose"],
  personas: ["@bufbuild/protovalidate", "ajv/dist/2020.js"],
  definitions: ["@bufbuild/protovalidate", "lru-cache"],
  methodology: ["@connectrpc/connect", "@connectrpc/connect-node"],
  rules: ["@bufbuild/cel", "@bufbuild/cel/ext", "@bufbuild/re2"],
  requests: ["@bufbuild/protovalidate"],
  work: ["saxes"],
  kafka: ["@platformatic/kafka"],
  nats: ["@nats-io/jetstream", "@nats-io/transport-node"],
  postgres: ["pg", "pg-connection-string", "node-pg-migrate"],
  s3: ["@aws-sdk/client-s3", "@aws-sdk/s3-request-presigner"],
  temporal: ["@temporalio/client", "@temporalio/common"],
  api: [
    "@bufbuild/protovalidate",
    "@connectrpc/connect",
    "@connectrpc/connect/protocol-connect",
    "@connectrpc/connect-node",
  ],
  client: ["@connectrpc/connect", "@connectrpc/connect-node"],
  cli: [
    "@bufbuild/protovalidate",
    "@connectrpc/connect",
    validateOptions,
    "commander",
    "string-width",
    "wrap-ansi",
    "yaml",
  ],
  local: ["@connectrpc/connect", "jose", "string-width", "yaml"],
  config: ["@bufbuild/protovalidate", "yaml", "zod"],
  telemetry: [
    ...["@opentelemetry/api", "@opentelemetry/exporter-metrics-otlp-proto", "@opentelemetry/exporter-prometheus"],
    ...["@opentelemetry/instrumentation-runtime-node", "@opentelemetry/resources", "@opentelemetry/sdk-metrics"],
    ...["@opentelemetry/sdk-node", "pino"],
  ],
  gen: [validateOptions],
  "workers/automation": ["@connectrpc/connect", "@temporalio/activity", "@temporalio/worker", "@temporalio/workflow"],
  "workers/workspace": [
    ...["@connectrpc/connect", "@temporalio/activity", "@temporalio/worker"],
    ...["ajv/dist/2020.js", "canonicalize", "tar-stream"],
  ],
  workers: ["@connectrpc/connect", "@temporalio/activity", "@temporalio/worker"],
};

/** Everybody speaks protobuf. */
const protobuf = /^@bufbuild\/protobuf(\/(wkt|wire|reflect|codegenv2))?$/;

/** The sole importer of each engine's driver. */
const drivers = ["kafka", "nats", "postgres", "s3", "temporal", "signing"];

/** Folders of src whose stores alone write a table. */
const writersOfTable: Readonly<Record<string, readonly string[]>> = {
  runs: ["runs"],
  run_references: ["runs"],
  run_streams: ["runs"],
  run_events: ["runs"],
  queue_places: ["admission"],
  queue_holds: ["admission"],
  queue_lanes: ["admission"],
  queue_lane_changes: ["admission"],
  queue_counts: ["admission"],
  queue_place_changes: ["admission"],
  queue_turns: ["admission"],
  run_queue: ["runs", "admission"], // admission claims and starts what runs put in and take out
  outbox: ["runs/outbox"],
};

const allSource = [...rooms, "drivers", "api", "processes", "client", "cli", "config", "telemetry", "gen"];

interface Import {
  readonly from: string;
  /** Path from the root, or the package's specifier. */
  readonly to: string;
  readonly isPackage: boolean;
  readonly isTypeOnly: boolean;
  readonly isDynamic: boolean;
}

const files = globSync(["src/**/*.{ts,mjs}", "workers/**/*.ts", "local/**/*.{ts,mjs}", "examples/**/*.ts"], {
  cwd: root,
}).filter((file) => !file.includes("node_modules"));
const code = files.filter((file) => !file.endsWith(".test.ts"));
const imports = code.flatMap(importsOf);

describe("the import table", () => {
  it("finds the code it guards", () => {
    expect(imports.length).toBeGreaterThan(100);
  });

  it("has every import on it", () => {
    expect(imports.filter((each) => !isAllowed(each)).map(show)).toEqual([]);
  });

  it("has every folder of src on it", () => {
    const folders = new Set(files.filter((file) => file.startsWith("src/")).map((file) => file.split("/")[1]));
    expect([...folders].filter((folder) => !allSource.includes(folder ?? ""))).toEqual([]);
  });

  it("resolves every relative import to a file", () => {
    const known = new Set(files);
    expect(imports.filter((each) => !each.isPackage && !known.has(each.to)).map(show)).toEqual([]);
  });

  it("has every file that the page names as the place of a decision", () => {
    const [, section = ""] = read("docs/architecture.md").split("## Where is … decided?");
    const rows = section.split("\n").filter((line) => line.startsWith("| ") && line.includes("`"));
    expect(rows.length).toBeGreaterThanOrEqual(25);
    const named = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, file = ""]) => file));
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it("has no cycle, of types or dynamic imports either", () => {
    expect(findCycle(imports.filter((each) => !each.isPackage))).toEqual([]);
  });

  it("keeps SQL in stores, in postgres/, and in check/, which only reads", () => {
    const sql = /\b(insert into|update|delete from|select)\b[^"'`]*\b(set|values|from|where|select)\b/;
    const offenders = code
      .filter((file) => file.startsWith("src/") && !/-store\.ts$|^src\/(drivers\/postgres|check|gen)\//.test(file))
      .filter((file) => literals(read(file)).some((literal) => sql.test(literal)));
    expect(offenders).toEqual([]);
    const writes = /\b(insert into|update\s+\w+\s+(as \w+ )?set|delete from)\b/;
    const writers = code.filter(
      (file) => file.startsWith("src/check/") && literals(read(file)).some((text) => writes.test(text)),
    );
    expect(writers).toEqual([]);
  });

  it("writes runs, their events, their queue and the outbox only in the rooms that own these tables", () => {
    const writes = new RegExp(
      `\\b(?:insert into|update|delete from)\\s+(${Object.keys(writersOfTable).join("|")})\\b`,
      "g",
    );
    const offenders = code
      .filter((file) => file.startsWith("src/"))
      .flatMap((file) =>
        literals(read(file)).flatMap((text) => [...text.matchAll(writes)].map(([, table = ""]) => ({ file, table }))),
      )
      .filter(({ file, table }) => !writersOfTable[table]?.some((folder) => file.startsWith(`src/${folder}/`)));
    expect(offenders).toEqual([]);
  });

  it("lets commands print in one place, where all text becomes visible", () => {
    const offenders = code
      .filter((file) => /^(src\/cli|local)\/.*\.ts$/.test(file))
      .filter((file) => !["src/cli/show/terminal.ts", "local/issuer/issuer.ts"].includes(file)) // the issuer is a process of its own
      .filter((file) => /console\.|process\.(stdout|stderr)\.write/.test(read(file)));
    expect(offenders).toEqual([]);
  });

  it("lets only the configuration read the environment", () => {
    const offenders = code
      .filter((file) => /^(src|workers)\//.test(file) && !/^src\/(config|cli|gen)\//.test(file))
      .filter((file) => read(file).includes("process.env"));
    expect(offenders).toEqual([]);
  });
});

function isAllowed(each: Import): boolean {
  const { from, to } = each;
  if (from.startsWith("workers/automation/workflows/"))
    return each.isPackage
      ? to === "@temporalio/workflow"
      : ["src/drivers/temporal/contract.ts", "src/text/strangers-text.ts", "src/text/unmet-lines.ts"].includes(to) ||
          to.startsWith("workers/automation/workflows/");
  if (from === "src/text/strangers-text.ts") return false;
  if (["src/drivers/temporal/contract.ts", "src/text/unmet-lines.ts"].includes(from))
    return each.isTypeOnly && zoneOf(to) === "gen";
  if (from.startsWith("workers/")) return isAllowedToWorkers(each);
  if (from.startsWith("examples/")) return each.isPackage || to.startsWith("examples/") || zoneOf(to) === "gen";
  const zone = zoneOf(from);
  const target = zoneOf(to);
  if (each.isPackage) return mayUsePackage(zone, to);
  if (zone === target || target === "gen") return true;
  const room = rooms.indexOf(zone);
  if (room >= 0) {
    return target === "telemetry" || (rooms.includes(target) && rooms.indexOf(target) < room);
  }
  if (drivers.includes(zone)) return target === "telemetry" || (each.isTypeOnly && rooms.includes(target));
  switch (zone) {
    case "api":
      return (rooms.includes(target) && !to.endsWith("-store.ts")) || target === "telemetry";
    case "processes":
      return target !== "cli" && to.startsWith("src/");
    case "cli":
      if (target === "processes" || to === "workers/main.ts") return each.isDynamic;
      if (target === "local") return each.isDynamic || each.isTypeOnly; // an image has a cli, and no local/
      if (target === "kafka" || target === "nats") return each.isDynamic;
      if (target === "check" || target === "upkeep" || to === "src/admission/catch-up.ts") return each.isTypeOnly;
      return ["client", "personas", "config", "text"].includes(target);
    case "local":
      if (target === "cli") return !to.startsWith("src/cli/commands");
      return ["client", "config", "text"].includes(target);
    case "config":
      return target === "text";
    case "telemetry":
      return ["config", "text"].includes(target);
    default:
      return false; // client and gen know nothing else of ours
  }
}

function isAllowedToWorkers({ from, to, isPackage }: Import): boolean {
  if (isPackage) return mayUsePackage(from.split("/").length > 2 ? from.split("/", 2).join("/") : "workers", to);
  return (
    to.startsWith("workers/") ||
    ["src/drivers/temporal/contract.ts", "src/drivers/temporal/trace-headers.ts"].includes(to) ||
    ["gen", "client", "config", "telemetry", "text"].includes(zoneOf(to))
  );
}

function mayUsePackage(zone: string, name: string): boolean {
  if (name.startsWith("node:") || protobuf.test(name)) return true;
  return packages[zone]?.includes(name) === true;
}

/** First folder below src, of a driver the one below that, else the top folder. */
function zoneOf(path: string): string {
  const [top = "", second = "", third = ""] = path.split("/");
  if (top !== "src") return top;
  return second === "drivers" ? third : second;
}

function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

function importsOf(file: string): Import[] {
  const text = read(file).replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  const found: Import[] = [];
  const add = (specifier: string, kind: { isTypeOnly: boolean; isDynamic: boolean }) => {
    const isPackage = !specifier.startsWith(".");
    const to = isPackage ? specifier : relative(root, resolve(root, dirname(file), specifier));
    found.push({ from: file, to, isPackage, ...kind });
  };
  for (const [, type, specifier = ""] of text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm,
  ))
    add(specifier, { isTypeOnly: type !== undefined, isDynamic: false });
  for (const [, specifier = ""] of text.matchAll(/\bimport\(\s*"([^"]+)"\s*\)/g))
    add(specifier, { isTypeOnly: false, isDynamic: true });
  return found;
}

function literals(text: string): string[] {
  return [...text.matchAll(/`[^`]*`|"[^"\n]*"/g)].map(([literal]) => literal.toLowerCase());
}

function findCycle(edges: readonly Import[]): string[] {
  const next = Map.groupBy(edges, (edge) => edge.from);
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): string[] => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return [];
    for (const edge of next.get(file) ?? []) {
      const cycle = visit(edge.to, [...path, file]);
      if (cycle.length > 0) return cycle;
    }
    done.add(file);
    return [];
  };
  return [...next.keys()].map((file) => visit(file, [])).find((cycle) => cycle.length > 0) ?? [];
}

const show = (each: Import): string => `${each.from} → ${each.to}${each.isTypeOnly ? " (type)" : ""}`;
