import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWithGo } from "../build-with-go.ts";
import { buildIntoCache } from "../cache.ts";
import type { Engine, EngineOptions } from "../engine.ts";
import { engineEnvironment, loopback } from "../engine.ts";
import type { Find } from "../find.ts";
import { acceptFromPath, pinnedVersion } from "../programs.ts";
import { acceptsConnections, startEngine } from "../start.ts";

const here = dirname(fileURLToPath(import.meta.url));

/**
 * The NATS server: from PATH when it is 2.9 or a later 2.x, else from the cache.
 * @throws EngineError
 */
export async function findNats(find: Find): Promise<string> {
  const onPath = await acceptFromPath("nats-server", /v2\.(9|\d\d)\./, find);
  if (onPath !== undefined) return onPath;
  const module = readFileSync(join(here, "go.mod"), "utf8");
  const dir = await buildIntoCache(
    {
      engine: "nats-server",
      version: pinnedVersion(module, /github\.com\/nats-io\/nats-server\/v2 v(\S+)/),
      spaceBytes: 5e8,
      duration: "about 20 seconds on two cores",
      make: (dir, step) => buildWithGo({ engine: "nats-server", moduleDir: here, dir, step, signal: find.signal }),
    },
    find,
  );
  return join(dir, "nats-server");
}

/** Starts one server with JetStream. */
export async function startNats(program: string, options: EngineOptions & { port: number }): Promise<Engine> {
  mkdirSync(options.dataDir, { recursive: true });
  const running = await startEngine({
    ...options,
    name: "nats",
    argv: [program, "-js", "-sd", options.dataDir, "-a", loopback, "-p", String(options.port)],
    env: engineEnvironment(),
    ready: () => acceptsConnections(loopback, options.port),
  });
  return { ...running, address: `${loopback}:${options.port}` };
}
