import { findEngines } from "../../src/cli/up-engines.ts";
import { findSlsaVerifier } from "./slsa-verifier/slsa-verifier.ts";

/** Finds or builds every engine, and the verifier that is not ours, before the first test, so that no test's time limit has to hold a build. */
try {
  const how = { say: (line: string) => console.log(line), signal: AbortSignal.timeout(30 * 60_000) };
  await findEngines(how);
  await findSlsaVerifier(how);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
