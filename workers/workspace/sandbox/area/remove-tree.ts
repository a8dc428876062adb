import { lstat, rmdir } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { lastWords } from "../../../../src/text/strangers-text.ts";
import { runProgram } from "../../host/run-program.ts";
import { RunAreaError } from "../sandbox-errors.ts";
import { isRoot } from "../slots.ts";
import { keptAt, runKeeper } from "./run-keeper.ts";

const limitMs = 300_000;

/**
 * Removes a folder of the run area, whatever a run left in it: folders of mode 0000, trees deeper than the longest path, links (never followed).
 * `rm` walks by descriptors; where the worker isn't root, it runs in a keeper's box, which may override modes.
 * @param filterFile - of system calls, for the keeper's box
 * @throws RunAreaError when something is left
 */
export async function removeTree(path: string, filterFile: string, signal: AbortSignal): Promise<void> {
  if (!(await isThere(path))) return;
  if (
    await rmdir(path).then(
      () => true,
      () => false,
    )
  )
    return;
  const rm = ["rm", "-rf", "--one-file-system", "--"];
  const kept = { owner: undefined, filterFile, folders: [dirname(path)], mode: "rw" } as const;
  signal.throwIfAborted();
  const end = isRoot()
    ? await runProgram([...rm, path], AbortSignal.any([signal, AbortSignal.timeout(limitMs)]))
    : await runKeeper(kept, [...rm, `${keptAt(0)}/${basename(path)}`], limitMs);
  if (end.exitCode === 0 && !(await isThere(path))) return;
  throw new RunAreaError("run_area_not_removed", path, `"${path}" could not be removed: ${lastWords(end.stderr, 500)}`);
}

const isThere = (path: string) =>
  lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return false;
      throw error;
    },
  );
