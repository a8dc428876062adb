import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Build } from "../../../../local/engines/cache.ts";
import { buildIntoCache } from "../../../../local/engines/cache.ts";
import type { Find } from "../../../../local/engines/find.ts";
import { acceptFromPath, requireProgram } from "../../../../local/engines/programs.ts";
import { runProgram } from "../../../../local/engines/run-program.ts";

const remedy = "put prometheus and promtool 2.40 or newer, both of Prometheus, into folders of PATH";

/** Paths of the server and of its own checker of rules. */
export interface Prometheus {
  readonly prometheus: string;
  readonly promtool: string;
}

/**
 * From PATH, else taken out of Debian's package into the cache. The package is not installed, since it would start a server.
 * @throws EngineError
 */
export async function findPrometheus(find: Find): Promise<Prometheus> {
  const version = /version (2\.[4-9]\d|[3-9])\./;
  const [prometheus, promtool] = await Promise.all([
    acceptFromPath("prometheus", version, find),
    acceptFromPath("promtool", version, find),
  ]);
  if (prometheus !== undefined && promtool !== undefined) return { prometheus, promtool };
  const fromDebian: Build = {
    engine: "prometheus",
    version: "debian",
    spaceBytes: 5e8,
    duration: "some seconds, from a package of 19 MB",
    make: (dir, step) => takeOutOfPackage(dir, step, find.signal),
  };
  const dir = await buildIntoCache(fromDebian, find);
  return { prometheus: join(dir, "prometheus"), promtool: join(dir, "promtool") };
}

async function takeOutOfPackage(dir: string, step: (text: string) => void, signal: AbortSignal): Promise<void> {
  const [aptGet, dpkg] = ["apt-get", "dpkg-deb"].map((program) =>
    requireProgram("prometheus", program, "to get Prometheus, with which the tests check rules", remedy),
  );
  const run = async (...argv: string[]): Promise<void> => {
    const { code, stderr } = await runProgram(argv, { cwd: dir, limitMs: 5 * 60_000, signal });
    if (code !== 0) throw new Error(`${argv.slice(0, 2).join(" ")}: ${stderr.trim().split("\n").at(-1)}; ${remedy}`);
  };
  step("downloading Debian's package prometheus");
  await run(`${aptGet}`, "download", "prometheus");
  const archive = readdirSync(dir).find((name) => name.endsWith(".deb")) ?? "";
  await run(`${dpkg}`, "-x", archive, "unpacked");
  for (const name of ["prometheus", "promtool"]) cpSync(join(dir, "unpacked", "usr", "bin", name), join(dir, name));
  for (const left of [archive, "unpacked"]) rmSync(join(dir, left), { recursive: true });
}
