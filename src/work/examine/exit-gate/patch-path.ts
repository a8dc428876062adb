import { isUtf8 } from "node:buffer";
import { isGitFolder } from "../../../definitions/policy/fold-name.ts";
import { shownText } from "../../../text/strangers-text.ts";
import type { PatchLines } from "./patch-lines.ts";

/** `PATH_MAX` of Linux. */
const longestPath = 4_096;

const escapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  t: "\t",
  n: "\n",
  v: "\v",
  f: "\f",
  r: "\r",
  '"': '"',
  "\\": "\\",
};

/** A name as git wrote it, C-quoted where it has special bytes. @returns its bytes, one latin1 character each */
export function unquote(name: string, lines: PatchLines): string {
  if (!name.startsWith('"')) return name;
  const inner = /^"((?:[^"\\]|\\(?:[abtnvfr"\\]|[0-3][0-7]{2}))*)"$/.exec(name)?.[1];
  if (inner === undefined) throw lines.fault("a name whose quoting is broken");
  return inner.replace(/\\([0-7]{3}|.)/g, (_whole, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (escapes[code] ?? ""),
  );
}

/**
 * The path that a tree can hold, as text.
 * @param name - its bytes, one latin1 character each
 */
export function readPath(name: string, lines: PatchLines): string {
  const bytes = Buffer.from(name, "latin1");
  if (!isUtf8(bytes)) throw lines.fault("a name that is not UTF-8");
  if (bytes.length > longestPath)
    throw lines.fault(`a path of ${bytes.length} bytes; none has more than ${longestPath}`);
  const path = bytes.toString("utf8");
  if (path.split("/").some((part) => part === "" || part === "." || part === ".." || isGitFolder(part)))
    throw lines.fault(`a path that no tree can hold: "${shownText(path, 200)}"`);
  return path;
}
