import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Build } from "../../../../local/engines/cache.ts";
import { buildIntoCache } from "../../../../local/engines/cache.ts";
import type { Find } from "../../../../local/engines/find.ts";
import { acceptFromPath, requireProgram } from "../../../../local/engines/programs.ts";
import { runProgram } from "../../../../local/engines/run-program.ts";

const remedy = "put promtool 2.40 or newer, a part of Prometheus, into a folder of PATH";

/**
 * Prometheus's own checker of rules: from PATH, else taken out of Debian's package into the cache. The package is not installed, since it would start a server.
 * @returns its path. @throws EngineError
 */
export async function findPromtool(find: Find): Promise<string> {
  const path = await acceptFromPath("promtool", /version (2\.[4-9]\d|[3-9])\./, find);
  if (path !== undefined) return path;
  const fromDebian: Build = {
    engine: "promtool",
    version: "debian",
    spaceBytes: 3e8,
    duration: "some seconds, from a package of 19 MB",
    make: (dir, step) => takeOutOfPackage(dir, step, find.signal),
  };
  return join(await buildIntoCache(fromDebian, find), "promtool");
}

async function takeOutOfPackage(dir: string, step: (text: string) => void, signal: AbortSignal): Promise<void> {
  const [aptGet, dpkg] = ["apt-get", "dpkg-deb"].map((program) =>
    requireProgram("promtool", program, "to get promtool, with which the tests check rules", remedy),
  );
  const run = async (...argv: string[]): Promise<void> => {
    const { code, stderr } = await runProgram(argv, { cwd: dir, limitMs: 5 * 60_000, signal });
    if (code !== 0) throw new Error(`${argv.slice(0, 2).join(" ")}: ${stderr.trim().split("\n").at(-1)}; ${remedy}`);
  };
  step("downloading Debian's package prometheus");
  await run(`${aptGet}`, "download", "prometheus");
  const archive = readdirSync(dir).find((name) => name.endsWith(".deb")) ?? "";
  await run(`${dpkg}`, "-x", archive, "unpacked");
  cpSync(join(dir, "unpacked", "usr", "bin", "promtool"), join(dir, "promtool"));
  for (const left of [archive, "unpacked"]) rmSync(join(dir, left), { recursive: true });
}
