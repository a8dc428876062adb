import { createHash } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { faultOfRef } from "../../../src/text/git-ref.ts";
import { underLock } from "../host/file-lock.ts";
import { hostFaultOf } from "../host/host-fault.ts";
import type { RunArea } from "../sandbox/area/run-area.ts";
import type { ShelfLimits } from "./base-shelf.ts";
import { createBaseShelf } from "./base-shelf.ts";
import { BaseUnavailableError, faultOfRemote, remoteFault } from "./base-unavailable.ts";
import { MissingObjectError, materialise } from "./materialise.ts";
import type { Remote, Wanted } from "./mirror.ts";
import { bringCommit, openMirror, resolveRef } from "./mirror.ts";
import type { Pruned } from "./mirror-shelf.ts";
import { createMirrorShelf } from "./mirror-shelf.ts";
import type { RepositoryBounds } from "./repository-url.ts";
import { addressOf } from "./repository-url.ts";
import { GitError } from "./run-git.ts";

/** The tree that a run begins from. */
export interface Base {
  /** 40 lower-case hex each. */
  readonly commit: string;
  readonly tree: string;
  /** Bare repository of the host that holds its objects. */
  readonly gitDir: string;
  /** Host folder with the files of the tree, byte for byte. Read-only: it is shared. */
  readonly path: string;
}

export interface BaseWanted {
  readonly tenant: string;
  readonly url: string;
  readonly ref: string;
  /** The commit that an earlier attempt resolved the ref to; it is used again. */
  readonly commit?: string;
}

export interface Repositories {
  /**
   * Gives the base of a run, and holds it until it is released.
   * @param tell - takes messages for people
   * @throws BaseUnavailableError with reason and remedy; the signal's reason
   */
  prepareBase(wanted: BaseWanted, tell: (line: string) => void, signal: AbortSignal): Promise<Base>;
  /** Releases the base of a run. */
  release(base: Base): void;
}

export interface GitRepositoriesDeps extends RepositoryBounds {
  readonly area: Pick<RunArea, "mirrorsDir" | "basesDir" | "filterFile">;
  /** PEM file of the authorities trusted for https; the host's own when absent. */
  readonly caFile?: string;
  /** 40 bases and 20 GiB when absent. */
  readonly shelf?: ShelfLimits;
  /** Of each process of git that fetches, besides mapped files; 512 MiB when absent. */
  readonly gitMemoryBytes?: number;
  /** Of the mirrors of one tenant; 10 GiB when absent. */
  readonly mirrorQuotaBytes?: number;
  /** Told when mirrors were removed to make room. */
  readonly onPruned?: (pruned: Pruned) => void;
}

const defaultShelf: ShelfLimits = { bases: 40, bytes: 20 * 1024 ** 3 };
const defaultMirrorQuotaBytes = 10 * 1024 ** 3;

/** Repositories of git over https and in local folders: a mirror for each tenant and URL, a shared tree for each tenant and commit. */
export function createGitRepositories(deps: GitRepositoriesDeps): Repositories {
  const { area, caFile, gitMemoryBytes, mirrorQuotaBytes = defaultMirrorQuotaBytes } = deps;
  const shelf = createBaseShelf(area.basesDir, deps.shelf ?? defaultShelf);
  const mirrors = createMirrorShelf(mirrorQuotaBytes);
  let swept: Promise<void> | undefined;

  const prepare = async (
    folder: string,
    remote: Remote,
    wanted: Wanted & { readonly tenant: string },
    how: { readonly anew: boolean },
    tell: (line: string) => void,
    signal: AbortSignal,
  ): Promise<Base> => {
    const gitDir = await openMirror(folder, how, signal);
    const tree = await bringCommit(gitDir, remote, wanted, tell, signal);
    const pruned = await mirrors.fit(folder, signal);
    if (pruned.mirrors > 0) deps.onPruned?.(pruned);
    const write = (to: string) => materialise({ gitDir, tree }, to, { hasPlainNames: true }, signal);
    const path = await shelf.hold(wanted.tenant, wanted.commit, async (to) => {
      const { files, bytes } = await write(to);
      tell(`prepared commit ${wanted.commit}: ${files} files, ${bytes} bytes`);
      return { bytes };
    });
    return { commit: wanted.commit, tree, gitDir, path };
  };

  return {
    async prepareBase({ tenant, url, ref, commit: resolved }, tell, signal) {
      const fault = faultOfRef(ref);
      if (fault !== undefined)
        throw new BaseUnavailableError(`the ref ${JSON.stringify(ref)} ${fault}`, "name a branch, tag or commit");
      const remote: Remote = {
        ...(await addressOf(url, tenant, deps)),
        ...(caFile === undefined ? {} : { caFile }),
        filterFile: area.filterFile,
        ...(gitMemoryBytes === undefined ? {} : { memoryBytes: gitMemoryBytes }),
        fileBytes: mirrorQuotaBytes,
      };
      swept ??= sweep(area.basesDir);
      await swept;
      const commit = resolved ?? (await resolveRef(remote, ref, signal));
      const own = join(area.mirrorsDir, tenant);
      await Promise.all(
        [own, join(area.basesDir, tenant)].map((path) => mkdir(path, { recursive: true, mode: 0o700 })),
      );
      const folder = join(own, createHash("sha256").update(url).digest("hex"));
      const attempt = (how: { readonly anew: boolean }) =>
        prepare(folder, remote, { tenant, ref, commit }, how, tell, signal);
      mirrors.hold(folder); // before the first await, so that it can't be removed meanwhile
      return await underLock(
        `${folder}.lock`,
        async () => {
          try {
            return await attempt({ anew: false });
          } catch (error) {
            if (!isOfMirror(error) || signal.aborted) throw faultOfRemote(url, error) ?? error;
            tell(`the mirror of ${url} is broken and is made anew`);
            return await attempt({ anew: true }).catch((again) => {
              throw isOfMirror(again) ? remoteFault(url, again) : again;
            });
          } finally {
            await shelf.evict();
          }
        },
        signal,
      ).catch((error) => {
        mirrors.release(folder);
        throw error;
      });
    },
    release({ path, gitDir }) {
      shelf.release(path);
      mirrors.release(dirname(gitDir));
    },
  };
}

/** Errors that the mirror may be the cause of: neither the remote nor the host is known to be. */
const isOfMirror = (error: unknown): error is GitError | MissingObjectError =>
  (error instanceof GitError || error instanceof MissingObjectError) && hostFaultOf(error) === undefined;

/** Removes folders that an earlier worker was writing or removing when it died. */
async function sweep(basesDir: string): Promise<void> {
  for (const entry of await readdir(basesDir, { withFileTypes: true, recursive: false })) {
    const folder = join(basesDir, entry.name);
    for (const name of await readdir(folder))
      if (/\.(new|gone)$/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}
