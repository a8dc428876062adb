import { findEngines } from "../../src/cli/up-engines.ts";

/** Finds or builds every engine before the first test, so that no test's time limit has to hold a build. */
try {
  await findEngines({ say: (line) => console.log(line), signal: AbortSignal.timeout(30 * 60_000) });
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
