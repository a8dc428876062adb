import { fileURLToPath } from "node:url";

/** Which repositories the operator lets tenants declare. */
export interface RepositoryBounds {
  /** `host` or `host:port`. */
  readonly hosts: readonly string[];
  readonly roots: readonly { readonly path: string; readonly tenants: readonly string[] }[];
}

/**
 * Says why a tenant may not work from a URL. Where a folder's links lead is the worker's to see, which knows the folder.
 * @returns undefined when it may
 */
export function faultOfUrl(url: string, tenant: string, { hosts, roots }: RepositoryBounds): string | undefined {
  const parsed = /^(https:\/\/|file:\/\/\/)[^\s\p{Cc}\\]+$/u.test(url) ? URL.parse(url) : null;
  if (parsed === null)
    return "must begin with https:// or file:/// and hold no space or backslash; ssh, http, git, ext:: and options are not taken: use an https URL";
  if (parsed.username !== "" || parsed.password !== "")
    return "must not hold a user or password, which would be kept in every run; leave them out";
  if (url.includes("?") || url.includes("#")) return "must not have a query or fragment; leave them out";
  if (parsed.href !== url) return `is not in normal form; write it as ${parsed.href}`;
  return parsed.protocol === "https:" ? faultOfHost(parsed, hosts) : faultOfFolder(parsed, tenant, roots);
}

function faultOfHost({ host, pathname }: URL, hosts: readonly string[]): string | undefined {
  if (pathname === "/") return "must have a path; name the repository, not its host";
  if (hosts.includes(host)) return undefined;
  return `is on host ${host}; the operator allows ${hosts.join(", ") || "none"}: have the host added below workspaces.repositories.hosts`;
}

function faultOfFolder(url: URL, tenant: string, roots: RepositoryBounds["roots"]): string | undefined {
  let folder: string;
  try {
    folder = fileURLToPath(url, { windows: false });
  } catch {
    return "does not name a folder; write its absolute path after file://, without %2F";
  }
  const isBelow = (root: string) => folder.startsWith(root.endsWith("/") ? root : `${root}/`);
  if (roots.some(({ path, tenants }) => tenants.includes(tenant) && isBelow(path))) return undefined;
  return "is not below a folder that the operator allows this tenant; have one added below workspaces.repositories.roots";
}

/**
 * Says what keeps a text from being a branch, tag or commit (git-check-ref-format, and nothing that git could take for an option).
 * @returns undefined when nothing does
 */
export function faultOfRef(ref: string): string | undefined {
  const parts = ref.split("/");
  if (ref.startsWith("-")) return "begins with a hyphen, which git takes for an option; name a branch, tag or commit";
  if (parts.includes("")) return "has an empty part; name a branch, tag or commit";
  if (parts.some((part) => part.startsWith(".") || part.endsWith(".lock")))
    return 'has a part that begins with "." or ends in ".lock", which git refuses; name a branch, tag or commit';
  if (/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\.$|^@$/u.test(ref) || !ref.isWellFormed())
    return 'has a space, "..", "@{" or one of ~ ^ : ? * [ \\, or ends in ".": git refuses it in a name; name a branch, tag or commit';
  return undefined;
}
