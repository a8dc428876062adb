import { runGit } from "../repo/run-git.ts";

const limitMs = 30_000;
const lineBytes = 8_192;

/**
 * Reads one file of a captured tree.
 * @param path - from the root, as UTF-8
 * @returns undefined when there is no regular file, or one larger than `maxBytes`
 */
export async function readCaptured(
  gitDir: string,
  tree: string,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  if (path.split("/").some((name) => ["", ".", ".."].includes(name))) return undefined;
  const asked = { gitDir, timeoutMs: limitMs, signal };
  const list = ["ls-tree", "-z", "--long", "--full-tree", tree, "--", `:(literal)${path}`];
  const { stdout } = await runGit(list, { ...asked, maxOutputBytes: lineBytes });
  const entry = /^100(?:644|755) blob ([0-9a-f]{40}) +(\d+)\t([^\0]+)\0$/.exec(stdout.toString("utf8"));
  const [, blob = "", size, found] = entry ?? [];
  if (found !== path || Number(size) > maxBytes) return undefined;
  const { stdout: bytes } = await runGit(["cat-file", "blob", blob], { ...asked, maxOutputBytes: maxBytes });
  return bytes;
}
