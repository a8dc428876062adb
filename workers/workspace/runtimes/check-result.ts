import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import { shownText } from "../../../src/text/strangers-text.ts";
import type { Bundle } from "./runtime.ts";

/** TypeScript in a clone, else compiled. */
const threadFile = join(import.meta.dirname, `result-thread${extname(import.meta.filename)}`);
/** For the start of the thread and for its answer, on a busy host. */
const waitLimitMs = 60_000;
/** CPU time of the check itself, so that a busy host makes no result wrong. */
const cpuLimitMs = 2_000;
const lookEveryMs = 100;
const memoryMb = 64;
const largestSchemaBytes = 64 * 1024;
const shownUnits = 1_000;

/**
 * Checks the results that a persona sent: at most one, which meets the schema of its manifest if there is one.
 * @param results - JSON
 * @returns the fault with its rule; undefined when nothing is wrong
 */
export async function faultOfResults(
  results: readonly string[],
  { path, manifest }: Bundle,
): Promise<string | undefined> {
  const schemaPath = manifest.outputSchema ?? "";
  const [result] = results;
  if (result === undefined)
    return schemaPath === "" ? undefined : `it ended without a result; ${schemaPath} of its bundle asks for one`;
  if (results.length > 1) return `it sent ${results.length} results; one is allowed`;
  if (!result.startsWith("{")) return "its result must be a JSON object, and not nested thousands of levels deep";
  if (schemaPath === "") return undefined;
  const fault = await checkResult(await readFile(join(path, schemaPath), "utf8"), result);
  return fault === undefined ? undefined : `its result does not meet ${schemaPath}: ${fault}`;
}

/**
 * Checks a persona's result against a JSON Schema of draft 2020-12, in a thread with 2 s of CPU time and 64 MiB. References out of the schema are not followed; formats are not checked.
 * @param result - JSON of at most 64 KiB
 * @returns what is wrong with it, with path and rule; undefined when nothing is
 * @throws Error when there can be no thread
 */
async function checkResult(schema: string, result: string): Promise<string | undefined> {
  if (Buffer.byteLength(schema) > largestSchemaBytes) return `the schema is larger than ${largestSchemaBytes} bytes`;
  const thread = new Worker(threadFile, {
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 16 },
  });
  try {
    await once(thread, "message", { signal: AbortSignal.timeout(waitLimitMs) });
    const spent = new AbortController();
    const limit = AbortSignal.any([spent.signal, AbortSignal.timeout(waitLimitMs)]);
    const answered = once(thread, "message", { signal: limit }) as Promise<[string]>;
    const before = await thread.cpuUsage();
    const looking = setInterval(async () => {
      const { user, system } = await thread.cpuUsage(before).catch(() => ({ user: 0, system: 0 })); // it may have ended
      if ((user + system) / 1_000 > cpuLimitMs) spent.abort();
    }, lookEveryMs);
    thread.postMessage({ schema, result });
    const fault = await answered
      .then(
        ([said]) => said,
        (error: unknown) => {
          if (spent.signal.aborted)
            return `it can't be checked within ${cpuLimitMs} ms of CPU; simplify the schema's patterns`;
          return `it can't be checked: ${error instanceof Error ? error.message : String(error)}`;
        },
      )
      .finally(() => clearInterval(looking));
    return fault === "" ? undefined : shownText(fault, shownUnits);
  } finally {
    await thread.terminate();
  }
}
