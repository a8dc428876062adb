import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { GoBuild } from "../../../../local/engines/build-with-go.ts";
import { buildWithGo } from "../../../../local/engines/build-with-go.ts";
import { buildIntoCache } from "../../../../local/engines/cache.ts";
import type { Find } from "../../../../local/engines/find.ts";
import { pinnedVersion } from "../../../../local/engines/programs.ts";

interface ToolsModule {
  readonly engine: string;
  /** Folder here with the `go.mod` that names the tools. */
  readonly folder: "tools" | "score" | "cluster" | "nodes" | "tiltfile";
  /** The module whose version stands for all of them. */
  readonly pinned: RegExp;
  /** Distinguishes builds of code of ours at the same version. */
  readonly revision?: string;
  readonly duration: string;
  readonly flags?: GoBuild["flags"];
}

/** As helm's own releases have it: the Kubernetes that charts are rendered for when no cluster is asked. */
const helmStamps = ["pkg/chartutil", "pkg/lint/rules"].flatMap((folder) => [
  `${folder}.k8sVersionMajor=1`,
  `${folder}.k8sVersionMinor=35`,
]);

/** `helm`, `helm-unittest` and `kubeconform`. @returns their folder, in the cache of engines; built there if need be. @throws EngineError */
export const findChartTools = (find: Find): Promise<string> =>
  findTools(
    {
      engine: "chart-tools",
      folder: "tools",
      pinned: /helm\.sh\/helm\/v3 v(\S+)/,
      duration: "about 3 minutes on two cores",
      flags: [`-ldflags=-s -w ${helmStamps.map((stamp) => `-X helm.sh/helm/v3/${stamp}`).join(" ")}`],
    },
    find,
  );

/** `kube-score`. @returns its folder. @throws EngineError */
export const findKubeScore = (find: Find): Promise<string> =>
  findTools(
    {
      engine: "kube-score",
      folder: "score",
      pinned: /zegl\/kube-score v(\S+)/,
      duration: "about a minute on two cores",
    },
    find,
  );

/** `kwok`, which plays nodes; it does not build with the same libraries as the cluster. @returns its folder. @throws EngineError */
export const findKwok = (find: Find): Promise<string> =>
  findTools(
    {
      engine: "kwok",
      folder: "nodes",
      pinned: /sigs\.k8s\.io\/kwok v(\S+)/,
      duration: "about 2 minutes on two cores",
    },
    find,
  );

/** `evaluate`, which evaluates a Tiltfile with stand-ins for Tilt's functions. @returns its folder. @throws EngineError */
export function findTiltfileEvaluator(find: Find): Promise<string> {
  const code = readFileSync(join(import.meta.dirname, "tiltfile", "evaluate", "main.go"));
  return findTools(
    {
      engine: "tiltfile",
      folder: "tiltfile",
      pinned: /go\.starlark\.net v0\.0\.0-(\d+)-/,
      revision: `-${createHash("sha256").update(code).digest("hex").slice(0, 8)}`,
      duration: "some seconds",
    },
    find,
  );
}

/** `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`. @returns their folder. @throws EngineError */
export function findClusterPrograms(find: Find): Promise<string> {
  const [, version = ""] = /k8s\.io\/kubernetes v(\S+)/.exec(goModOf("cluster")) ?? [];
  return findTools(
    {
      engine: "kubernetes",
      folder: "cluster",
      pinned: /k8s\.io\/kubernetes v(\S+)/,
      duration: "about 8 minutes on two cores",
      flags: [`-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v${version}`],
    },
    find,
  );
}

const goModOf = (folder: string) => readFileSync(join(import.meta.dirname, folder, "go.mod"), "utf8");

/** Several tools of one module share most of what is compiled; Go puts them into a folder of the module's name. */
async function findTools(
  { engine, folder, pinned, revision = "", duration, flags }: ToolsModule,
  find: Find,
): Promise<string> {
  const make = async (dir: string, step: (text: string) => void) => {
    mkdirSync(join(dir, engine));
    const moduleDir = join(import.meta.dirname, folder);
    await buildWithGo({ engine, moduleDir, dir, step, signal: find.signal, flags });
  };
  const version = `${pinnedVersion(goModOf(folder), pinned)}${revision}`;
  return join(await buildIntoCache({ engine, version, spaceBytes: 4e9, duration, make }, find), engine);
}
