/** Most levels of a path, the file included. */
export const deepestPath = 20;

/**
 * Checks a file's path in a bundle: relative to the bundle, `/` between folders, Unicode NFC, no part that leads out of it, no control characters.
 * @returns undefined when nothing is
 */
export function faultOfPath(path: string): string | undefined {
  const parts = path.split("/");
  if (path === "") return "has no name";
  if (path.startsWith("/")) return "is absolute; a path is relative to the bundle";
  if (parts.includes("..") || parts.includes(".") || parts.includes("")) return 'has a part that is ".", ".." or empty';
  if (/[\p{Cc}\\\uFFFD]/u.test(path)) return "has a control character, a backslash or bytes that are not UTF-8";
  if (path !== path.normalize("NFC")) return "is not in Unicode normalisation form C";
  if (parts.length > deepestPath) return `is ${parts.length} levels deep; ${deepestPath} are allowed`;
  if (splitPath(path) === undefined)
    return "is too long for a tar: a name may have 100 bytes, the folders above it 155";
  return undefined;
}

/**
 * Divides a path between the two fields of a ustar header, as early as its name fits.
 * @returns undefined when it can't fit
 */
export function splitPath(path: string): { readonly prefix: string; readonly name: string } | undefined {
  if (Buffer.byteLength(path) <= 100) return { prefix: "", name: path };
  for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(prefix) > 155) return undefined;
    if (Buffer.byteLength(name) <= 100) return { prefix, name };
  }
  return undefined;
}
