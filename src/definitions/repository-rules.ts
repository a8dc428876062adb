import { readRepositoryUrl } from "../text/repository-url.ts";

/** Which repositories the operator lets tenants declare. */
export interface RepositoryBounds {
  /** `host` or `host:port`. */
  readonly hosts: readonly string[];
  readonly roots: readonly { readonly path: string; readonly tenants: readonly string[] }[];
}

/**
 * Says why a tenant may not declare a URL. The worker checks a folder again, because only there its links can be followed.
 * @returns the broken rule and the remedy; undefined when the tenant may
 */
export function faultOfUrl(url: string, tenant: string, { hosts, roots }: RepositoryBounds): string | undefined {
  const read = readRepositoryUrl(url);
  if ("fault" in read) return `${read.fault.rule}; ${read.fault.remedy}`;
  if (read.protocol === "https")
    return hosts.includes(read.host)
      ? undefined
      : `is on host ${read.host}, and the operator allows ${hosts.join(", ") || "none"}; have the host added to workspaces.repositories.hosts`;
  const isBelow = (root: string) => read.folder.startsWith(root.endsWith("/") ? root : `${root}/`);
  if (roots.some(({ path, tenants }) => tenants.includes(tenant) && isBelow(path))) return undefined;
  return "is not below a folder that the operator allows this tenant; have one added to workspaces.repositories.roots";
}
