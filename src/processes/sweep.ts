import { UnusableConfigurationError } from "../config/unusable-configuration-error.ts";
import type { Swept } from "../upkeep/sweep-objects.ts";
import { sweepObjects } from "../upkeep/sweep-objects.ts";
import { openStores } from "./open-stores.ts";

/** Sweeps the object store that the environment names, page by page. @throws UnusableConfigurationError when it names none */
export async function* main(
  source: NodeJS.ProcessEnv,
  wanted: { readonly olderThan: Date; readonly isDryRun: boolean; readonly signal: AbortSignal },
): AsyncGenerator<Swept> {
  const { snapshot, objects, close } = openStores(source);
  try {
    if (objects === undefined)
      throw new UnusableConfigurationError("AUTOMATION_S3_ENDPOINT: must be set; it names the object store to sweep");
    yield* sweepObjects({ snapshot, objects }, wanted);
  } finally {
    await close();
  }
}
