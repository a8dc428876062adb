import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine, EngineOptions } from "../engine.ts";
import { engineEnvironment, loopback } from "../engine.ts";
import { buildIntoCache } from "../engine-cache.ts";
import { acceptFromPath, buildWithGo, pinnedVersion } from "../programs.ts";
import { answers, startEngine } from "../start-engine.ts";

const here = dirname(fileURLToPath(import.meta.url));
const command = "github.com/temporalio/cli/cmd/temporal";

export const temporalNamespace = "automation";

const searchAttributes = {
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
 * The Temporal CLI, which carries the server and its web pages: from PATH when it is 1.5 or a later 1.x, else from the cache.
 * @throws EngineError
 */
export async function findTemporal(options: { say: (line: string) => void; signal: AbortSignal }): Promise<string> {
  const onPath = await acceptFromPath("temporal", /^temporal version 1\.([5-9]|\d\d)\./m, options);
  if (onPath !== undefined) return onPath;
  const module = readFileSync(join(here, "go.mod"), "utf8");
  const dir = await buildIntoCache(
    {
      engine: "temporal",
      version: pinnedVersion(module, /github\.com\/temporalio\/cli v(\S+)/),
      spaceBytes: 1.5e9,
      duration: "about 4 minutes on two cores",
      make: (output) =>
        buildWithGo("temporal", {
          moduleDir: here,
          packagePath: command,
          output: join(output, "temporal"),
          goVersion: pinnedVersion(module, /^go (\S+)/m),
          signal: options.signal,
        }),
    },
    options,
  );
  return join(dir, "temporal");
}

export interface TemporalPorts {
  grpc: number;
  /** HTTP form of the same API; also tells when the server is ready. */
  http: number;
  /** Web pages; none without it. */
  ui?: number;
}

/** Starts the development server on a file that survives restarts, with namespace `automation`, its search attributes, and fairness on. */
export async function startTemporal(
  program: string,
  options: EngineOptions & { ports: TemporalPorts },
): Promise<Engine> {
  const { grpc, http, ui } = options.ports;
  mkdirSync(options.dataDir, { recursive: true });
  const attributes = Object.entries(searchAttributes);
  const namespaceUrl = `http://${loopback}:${http}/api/v1/namespaces/${temporalNamespace}`;
  const running = await startEngine({
    ...options,
    name: "temporal",
    port: grpc,
    argv: [
      ...[program, "server", "start-dev", "--ip", loopback, "--port", String(grpc), "--http-port", String(http)],
      ...(ui === undefined ? ["--headless"] : ["--ui-port", String(ui)]),
      ...["--namespace", temporalNamespace, "--log-level", "error", "--log-format", "json"],
      ...["--db-filename", join(options.dataDir, "temporal.db")],
      ...["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"],
      ...["--dynamic-config-value", "matching.enableFairness=true"],
      ...attributes.flatMap(([name, type]) => ["--search-attribute", `${name}=${type}`]),
    ],
    env: engineEnvironment(),
    ready: async () =>
      (await answers(namespaceUrl, (status) => status === 200)) &&
      (await answers(
        `${namespaceUrl}/search-attributes`,
        (status, body) => status === 200 && attributes.every(([name]) => body.includes(`"${name}"`)),
      )),
  });
  return { ...running, address: `${loopback}:${grpc}` };
}
