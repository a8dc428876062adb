import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";

import { answers, startEngine } from "../../../../local/engines/start.ts";
import { findBy } from "../../probes/find.ts";
import { freePorts } from "../free-ports.ts";
import { findPrometheus } from "./find-prometheus.ts";

/** A Prometheus that scrapes and judges each second. */
export interface RunningPrometheus {
  /** Asks its HTTP API. @param path - below /api/v1/ @returns `data` of the answer. @throws Error with its error */
  ask<T>(path: string, parameters?: Readonly<Record<string, string>>): Promise<T>;
  stop(): Promise<void>;
}

/**
 * @param targets - ports of this machine, each with the labels that a cluster's discovery would give
 * @param rules - files
 */
export async function startPrometheus(
  targets: readonly { readonly port: number; readonly labels: Readonly<Record<string, string>> }[],
  rules: readonly string[],
  signal: AbortSignal,
): Promise<RunningPrometheus> {
  const { prometheus } = await findPrometheus(findBy(signal, console.error));
  const dir = mkdtempSync(join(tmpdir(), "automation-prometheus-"));
  const config = join(dir, "prometheus.yaml");
  const static_configs = targets.map(({ port, labels }) => ({ targets: [`127.0.0.1:${port}`], labels }));
  writeFileSync(
    config,
    stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: rules,
      scrape_configs: [{ job_name: "automation", static_configs }],
    }),
  );
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const argv = [prometheus, `--config.file=${config}`, `--storage.tsdb.path=${join(dir, "data")}`];
  const running = await startEngine({
    name: "prometheus",
    argv: [...argv, `--web.listen-address=127.0.0.1:${port}`],
    env: {},
    logFile: join(dir, "prometheus.log"),
    pidsDir: dir,
    port,
    ready: () => answers(`${url}/-/ready`, (status) => status === 200),
    signal,
  });
  return {
    async ask(path, parameters = {}) {
      const answer = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`, { signal });
      const { data, error } = (await answer.json()) as { readonly data: never; readonly error?: string };
      if (!answer.ok) throw new Error(`${JSON.stringify(parameters)}: ${error}`);
      return data;
    },
    async stop() {
      await running.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
