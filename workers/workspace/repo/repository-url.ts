import { lstat, realpath } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { RepositoryUrl } from "../../../src/text/repository-url.ts";
import { readRepositoryUrl, shownRepositoryUrl } from "../../../src/text/repository-url.ts";
import { BaseUnavailableError } from "./base-unavailable.ts";

/** Where this worker may get repositories from. */
export interface RepositoryBounds {
  /** `host` or `host:port`. */
  readonly hosts: readonly string[];
  /** Absolute folders; what lies below one is that tenant's. */
  readonly roots: readonly { readonly tenant: string; readonly path: string }[];
}

/** What git is given: links are resolved, and nothing in it is an option. */
export interface RepositoryAddress {
  readonly protocol: "https" | "file";
  readonly url: string;
  /** Of a folder: the tenant's root that it lies below. Nothing else of the host may be read for it. */
  readonly root?: string;
}

/**
 * Decides whether a tenant may work from a URL, here where folders and their links are seen.
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

/** A folder counts by where its links lead; git's own ways out of it (a `.git` file, borrowed objects) are refused. Links in it, and those made later, lead no further than its root: see mirror.ts. */
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
      throw refused(url, `is no whole git repository: "${path}" is no folder of its own`, "clone it to that place");
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
