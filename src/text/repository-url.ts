import { fileURLToPath } from "node:url";
import { shownText } from "./strangers-text.ts";

/** Why a URL names no repository that we take. */
export interface UrlFault {
  readonly rule: string;
  readonly remedy: string;
}

/** A URL whose form is right. Whether a tenant may use its host or folder is not decided here. */
export type RepositoryUrl =
  | { readonly protocol: "https"; readonly url: string; readonly host: string }
  | { readonly protocol: "file"; readonly url: string /** Absolute path. */; readonly folder: string };

/** Checks the form of a repository's URL: https or file, in normal form, with nothing secret in it and nothing that git could take for an option. */
export function readRepositoryUrl(url: string): RepositoryUrl | { readonly fault: UrlFault } {
  const parsed = /^(https:\/\/|file:\/\/\/)[^\s\p{Cc}\\]+$/u.test(url) ? URL.parse(url) : null;
  if (parsed === null)
    return faulty(
      "does not begin with https:// or file:///, or holds a space, control character or backslash",
      "ssh, git, http, ext:: and options are not taken: use an https URL",
    );
  if (parsed.username !== "" || parsed.password !== "")
    return faulty("holds a user or password", "leave them out: they would be kept in every run");
  if (url.includes("?") || url.includes("#")) return faulty("has a query or fragment", "leave them out");
  if (parsed.href !== url) return faulty("is not in normal form", `write it as ${parsed.href}`);
  if (parsed.protocol === "file:") return readFolder(url);
  if (parsed.pathname === "/") return faulty("has no path", "name the repository, not its host");
  return { protocol: "https", url, host: parsed.host };
}

function readFolder(url: string): RepositoryUrl | { readonly fault: UrlFault } {
  try {
    return { protocol: "file", url, folder: fileURLToPath(url, { windows: false }) };
  } catch {
    return faulty("does not name a folder", "write its absolute path after file://, without %2F");
  }
}

const faulty = (rule: string, remedy: string) => ({ fault: { rule, remedy } });

/** A repository's URL in a message: without what may be a secret, in quotes. */
export function shownRepositoryUrl(url: string): string {
  const bare = url.replace(/[?#].*$/s, "");
  return `"${shownText(bare.replace(/^([a-z0-9+.:-]*\/\/)?[^/]*@/is, "$1…@"), 200)}"`;
}
