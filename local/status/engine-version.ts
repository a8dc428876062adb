import { readFileSync } from "node:fs";
import { join } from "node:path";

/** @returns the version of an engine by what runs, undefined when it does not say */
export async function engineVersion(
  name: string,
  at: { readonly pid: number; readonly dataDir: string; readonly temporalHttp: string },
): Promise<string | undefined> {
  if (name === "temporal") return await temporalVersion(at.temporalHttp);
  if (name === "postgres") return readText(join(at.dataDir, "postgres", "data", "PG_VERSION"))?.trim();
  // The folder of an engine, in the cache or where a distribution was unpacked, has its version in its name.
  return /(?:kafka(?:_[\d.]+)?|versitygw|nats-server)-(\d+(?:\.\d+)+)/.exec(
    readText(`/proc/${at.pid}/cmdline`) ?? "",
  )?.[1];
}

async function temporalVersion(address: string): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://${address}/api/v1/cluster-info`, { signal: AbortSignal.timeout(5_000) });
    const { serverVersion } = (await answer.json()) as { serverVersion?: string };
    return serverVersion;
  } catch {
    return undefined;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
