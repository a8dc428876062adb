import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWithGo } from "../build-with-go.ts";
import { buildIntoCache } from "../cache.ts";
import type { Engine, EngineOptions } from "../engine.ts";
import { engineEnvironment, loopback } from "../engine.ts";
import type { Find } from "../find.ts";
import { acceptFromPath, pinnedVersion } from "../programs.ts";
import { answers, startEngine } from "../start.ts";

const here = dirname(fileURLToPath(import.meta.url));

export const s3Region = "us-east-1";

/**
 * versitygw, an S3 server over a folder: from PATH when it is 1.8 or a later 1.x, else from the cache.
 * @throws EngineError
 */
export async function findS3(find: Find): Promise<string> {
  const onPath = await acceptFromPath("versitygw", /v?1\.([89]|\d\d)\./, find);
  if (onPath !== undefined) return onPath;
  const module = readFileSync(join(here, "go.mod"), "utf8");
  const dir = await buildIntoCache(
    {
      engine: "versitygw",
      version: pinnedVersion(module, /github\.com\/versity\/versitygw v(\S+)/),
      spaceBytes: 8e8,
      duration: "about 2 minutes on two cores",
      make: (dir, step) => buildWithGo({ engine: "versitygw", moduleDir: here, dir, step, signal: find.signal }),
    },
    find,
  );
  return join(dir, "versitygw");
}

export interface S3Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

export async function startS3(
  program: string,
  options: EngineOptions & { port: number; credentials: S3Credentials },
): Promise<Engine> {
  const metadata = join(options.dataDir, "metadata");
  const objects = join(options.dataDir, "objects");
  const accounts = join(options.dataDir, "accounts");
  for (const dir of [metadata, objects, accounts]) mkdirSync(dir, { recursive: true });
  const address = `${loopback}:${options.port}`;
  const running = await startEngine({
    ...options,
    name: "s3",
    argv: [
      program,
      "--port",
      address,
      "--region",
      s3Region,
      "--health",
      "/healthz",
      "--quiet",
      "--iam-dir",
      accounts,
      "posix",
      "--sidecar",
      metadata,
      objects,
    ],
    env: {
      ...engineEnvironment(),
      ROOT_ACCESS_KEY: options.credentials.accessKeyId,
      ROOT_SECRET_KEY: options.credentials.secretAccessKey,
    },
    ready: () => answers(`http://${address}/healthz`, (status) => status === 200),
  });
  return { ...running, address };
}
