import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

/**
 * Starts one server with JetStream. A message may have 2 MiB, as on the topics of Kafka: what is quarantined is kept whole.
 * @param options.settings - more lines of its configuration
 */
export async function startNats(
  program: string,
  options: EngineOptions & { readonly port: number; readonly settings?: readonly string[] },
): Promise<Engine> {
  mkdirSync(options.dataDir, { recursive: true });
  const configuration = join(options.dataDir, "nats.conf");
  const settings = [
    `listen: "${loopback}:${options.port}"`,
    `max_payload: ${2 * 1024 * 1024}`,
    `jetstream { store_dir: ${JSON.stringify(options.dataDir)} }`,
    ...(options.settings ?? []),
  ];
  writeFileSync(configuration, `${settings.join("\n")}\n`, { mode: 0o600 });
  const running = await startEngine({
    ...options,
    name: "nats",
    argv: [program, "-c", configuration],
    env: engineEnvironment(),
    ready: () => acceptsConnections(loopback, options.port),
  });
  return { ...running, address: `${loopback}:${options.port}` };
}
