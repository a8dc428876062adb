import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildIntoCache } from "../../../src/engines/engine-cache.ts";
import { buildWithGo, pinnedVersion } from "../../../src/engines/programs.ts";

const module = "github.com/slsa-framework/slsa-verifier/v2";

/** @returns folder of `slsa-verifier`, a verifier that is not ours, from the cache of engines; built there if need be. @throws EngineError */
export async function findSlsaVerifier(options: { say: (line: string) => void; signal: AbortSignal }): Promise<string> {
  const here = import.meta.dirname;
  const pinned = readFileSync(join(here, "go.mod"), "utf8");
  return await buildIntoCache(
    {
      engine: "slsa-verifier",
      version: pinnedVersion(pinned, /github\.com\/slsa-framework\/slsa-verifier\/v2 v(\S+)/),
      spaceBytes: 2e9,
      duration: "about 2 minutes on two cores",
      make: (output) =>
        buildWithGo("slsa-verifier", {
          moduleDir: here,
          packagePath: `${module}/cli/slsa-verifier`,
          output: join(output, "slsa-verifier"),
          goVersion: pinnedVersion(pinned, /^go (\S+)/m),
          signal: options.signal,
        }),
    },
    options,
  );
}
