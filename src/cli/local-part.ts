import { existsSync } from "node:fs";
import { join } from "node:path";
import { CliError } from "./cli-error.ts";
import { cloneDir } from "./clone.ts";

/**
 * Loads a part of `local/`, which exists in a clone and not in an image.
 * @param remedy - what to do where there is none
 * @throws CliError 3 where there is none
 */
export async function loadLocalPart<T>(
  load: () => Promise<T>,
  remedy = "run this command in a clone of the repository",
): Promise<T> {
  if (existsSync(join(cloneDir, "local"))) return await load();
  throw new CliError(3, "there is no local stack here: this is no clone of the repository", { remedy });
}
