import { fileURLToPath } from "node:url";
import type { Engine, EngineOptions } from "../engines/engine.ts";
import { engineEnvironment, loopback } from "../engines/engine.ts";
import { answers, startEngine } from "../engines/start.ts";

/** Starts the issuer as a process of its own; its url is `http://` and the address. */
export async function startIssuer(options: EngineOptions & { port: number }): Promise<Engine> {
  const address = `${loopback}:${options.port}`;
  const running = await startEngine({
    ...options,
    name: "issuer",
    argv: [process.execPath, fileURLToPath(new URL("./main.ts", import.meta.url))],
    env: { ...engineEnvironment(), ISSUER_ADDRESS: address, ISSUER_DIR: options.dataDir },
    ready: () => answers(`http://${address}/healthz`, (status) => status === 200),
  });
  return { ...running, address };
}
