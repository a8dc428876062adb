import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildWithGo } from "../../../../local/engines/build-with-go.ts";
import { buildIntoCache } from "../../../../local/engines/cache.ts";
import type { Find } from "../../../../local/engines/find.ts";
import { pinnedVersion } from "../../../../local/engines/programs.ts";

/** @returns folder of `slsa-verifier`, a verifier that is not ours, from the cache of engines; built there if need be. @throws EngineError */
export async function findSlsaVerifier(find: Find): Promise<string> {
  const here = import.meta.dirname;
  const pinned = readFileSync(join(here, "go.mod"), "utf8");
  return await buildIntoCache(
    {
      engine: "slsa-verifier",
      version: pinnedVersion(pinned, /github\.com\/slsa-framework\/slsa-verifier\/v2 v(\S+)/),
      spaceBytes: 2e9,
      duration: "about 2 minutes on two cores",
      make: (dir, step) => buildWithGo({ engine: "slsa-verifier", moduleDir: here, dir, step, signal: find.signal }),
    },
    find,
  );
}
