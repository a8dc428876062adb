import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Base, GitRepositoriesDeps, Repositories } from "../../../workers/workspace/repo/git-repositories.ts";
import { createGitRepositories } from "../../../workers/workspace/repo/git-repositories.ts";
import { systemCallFilter } from "../../../workers/workspace/sandbox/box/system-call-filter.ts";
import { architectureOf } from "../../../workers/workspace/sandbox/box/system-calls.ts";
import type { GitServer, TestRepository } from "../builders/repositories.ts";
import { createRepository, startGitServer, temporaryFolder } from "../builders/repositories.ts";

/** Repositories of tenant `acme` below one root and on one https server, and any number of workers that take from them. */
export interface RepositoryWorld {
  readonly folder: string;
  readonly root: string;
  readonly server: GitServer;
  /** Below the root, with one commit. */
  readonly demo: TestRepository;
  readonly first: string;
  /** Those of a worker with folders of its own. */
  repositories(more?: Partial<GitRepositoriesDeps>): Repositories;
  stop(): Promise<void>;
}

export async function startRepositoryWorld(): Promise<RepositoryWorld> {
  const folder = temporaryFolder();
  const root = join(folder.path, "repositories");
  const demo = createRepository(join(root, "demo"));
  const first = demo.commit({ "readme.md": "one\n", "bin/run*": "#!/bin/sh\n", "src/ä b.txt": "ä\r\n" });
  const server = await startGitServer(root, join(folder.path, "server"));
  let areas = 0;
  const newArea = () => {
    areas += 1;
    return makeRepositoryArea(join(folder.path, `area-${areas}`));
  };
  return {
    folder: folder.path,
    root,
    server,
    demo,
    first,
    repositories: (more = {}) =>
      createGitRepositories({
        area: newArea(),
        roots: [{ tenant: "acme", path: root }],
        hosts: [server.host],
        caFile: server.caFile,
        ...more,
      }),
    stop: async () => {
      await server.stop();
      folder.remove();
    },
  };
}

/** What repositories need of a run area, below a folder. */
export function makeRepositoryArea(at: string): GitRepositoriesDeps["area"] {
  const area = { mirrorsDir: join(at, "mirrors"), basesDir: join(at, "bases"), filterFile: join(at, "filter") };
  for (const dir of [area.mirrorsDir, area.basesDir]) mkdirSync(dir, { recursive: true });
  writeFileSync(area.filterFile, systemCallFilter(architectureOf(), { allocation: false, unownedMemory: false }));
  return area;
}

/** A base for `acme`, of `main` unless told. */
export const prepareBase = (
  from: Repositories,
  what: { readonly url: string; readonly ref?: string; readonly commit?: string; readonly tenant?: string },
): Promise<Base> =>
  from.prepareBase({ tenant: "acme", ref: "main", ...what }, () => undefined, new AbortController().signal);
