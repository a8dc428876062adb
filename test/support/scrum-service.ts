import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Behaviour } from "../../examples/scrum-service/behaviour.ts";
import type { Board } from "../../examples/scrum-service/board.ts";
import { freePorts } from "../../src/engines/ports.ts";
import { createScrum } from "../../src/methodology/scrum.ts";

/** The example Scrum service as a process of its own, without a bus. @param dir - its state */
export async function startScrumService(dir: string) {
  const [port = 0] = await freePorts(1);
  const endpoint = `http://127.0.0.1:${port}`;
  const token = crypto.randomUUID();
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "token"), token);
  const ask = async (path: string, method: string, body?: object) => {
    const answer = await fetch(`${endpoint}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const start = async () => {
    const started = spawn(process.execPath, [resolve(import.meta.dirname, "../../examples/scrum-service/main.ts")], {
      env: {
        ...{ SCRUM_ADDRESS: `127.0.0.1:${port}`, SCRUM_STATE_DIR: dir, SCRUM_TOKEN_FILE: join(dir, "token") },
        ...{ SCRUM_KAFKA_BROKERS: "127.0.0.1:1", SCRUM_KAFKA_TOPIC: "none", SCRUM_SOURCE: "urn:test" },
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(started.stdout, "data");
    started.stdout.resume();
    return started;
  };
  let child = await start();
  const stop = async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return {
    methodology: createScrum({ endpoint, readToken: () => token }),
    board: (): Promise<Board> => ask("/board", "GET"),
    /** Tells it to misbehave. */
    tell: (behaviour: Omit<Behaviour, "method" | "phase"> & Partial<Behaviour>) => ask("/behaviour", "POST", behaviour),
    /** What it was told and has not used up. */
    told: async (): Promise<Behaviour[]> => (await ask("/behaviour", "GET")).behaviours,
    behave: () => ask("/behaviour", "DELETE"),
    stop,
    async restart() {
      child = await start();
    },
  };
}
