import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { RepositoryUrl } from "../../../src/text/repository-url.ts";
import { readRepositoryUrl, shownRepositoryUrl } from "../../../src/text/repository-url.ts";
import { BaseUnavailableError } from "./base-unavailable.ts";

/** From where this worker may get repositories. */
export interface RepositoryBounds {
  /** `host` or `host:port`. */
  readonly hosts: readonly string[];
  /** Absolute folders; what lies below one is that tenant's. */
  readonly roots: readonly { readonly tenant: string; readonly path: string }[];
}

/** What git is given as the remote: links are resolved, and nothing in it can be taken for an option. */
export interface RepositoryAddress {
  readonly protocol: "https" | "file";
  readonly url: string;
  /** Of a local repository: the tenant's root folder. Git may read nothing else of the host. */
  readonly root?: string;
}

/**
 * Decides whether a tenant may use a repository URL, where folders and their links can be checked.
 * @throws BaseUnavailableError with the rule and the remedy
 */
export async function addressOf(url: string, tenant: string, bounds: RepositoryBounds): Promise<RepositoryAddress> {
  const read = readRepositoryUrl(url);
  if ("fault" in read) throw refused(url, read.fault.rule, read.fault.remedy);
  if (read.protocol === "file") return await folderAddress(read, tenant, bounds.roots);
  if (bounds.hosts.includes(read.host)) return { protocol: "https", url };
  throw refused(
    url,
    `is on host ${read.host}, and this worker takes from ${bounds.hosts.join(", ") || "none"}`,
    "have the operator add the host to AUTOMATION_REPOSITORY_HOSTS",
  );
}

/** Resolves the links of a folder first. Refuses git's own ways to other folders: a `.git` file, borrowed objects. Links inside it, also later ones, can't leave the root: see mirror.ts. */
async function folderAddress(
  { url, folder: named }: RepositoryUrl & { readonly protocol: "file" },
  tenant: string,
  roots: RepositoryBounds["roots"],
): Promise<RepositoryAddress> {
  const own = await Promise.all(
    roots.filter((root) => root.tenant === tenant).map(({ path }) => realpath(path).catch(() => undefined)),
  );
  const folder = await realpath(named).catch(() => undefined);
  const root = own.find((each) => each !== undefined && folder?.startsWith(each === "/" ? each : `${each}/`));
  if (folder === undefined || root === undefined)
    throw refused(
      url,
      "leads to no folder below the roots that this tenant has on this worker",
      "put the repository there, or have the operator add its root to AUTOMATION_REPOSITORY_ROOTS",
    );
  const inner = join(folder, ".git");
  const gitDir = (await lstat(inner).catch(() => undefined)) === undefined ? folder : inner;
  for (const path of ["", "objects", "objects/pack", "objects/info", "refs"].map((name) => join(gitDir, name)))
    if ((await lstat(path).catch(() => undefined))?.isDirectory() !== true)
      throw refused(
        url,
        `is not a complete git repository: "${path}" is not a folder of the repository itself`,
        "clone it to that place",
      );
  for (const name of ["objects/info/alternates", "commondir"])
    if ((await lstat(join(gitDir, name)).catch(() => undefined)) !== undefined)
      throw refused(
        url,
        `takes objects from elsewhere (${name})`,
        "clone it to that place with `git clone --no-local`",
      );
  return { protocol: "file", url: pathToFileURL(gitDir).href, root };
}

function refused(url: string, fault: string, remedy: string): BaseUnavailableError {
  return new BaseUnavailableError(`the repository URL ${shownRepositoryUrl(url)} ${fault}`, remedy);
}
