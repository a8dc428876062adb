import { createScreen } from "../../../local/screen.ts";
import { findEngines } from "../../../local/up/engines.ts";
import { findPrometheus } from "./prometheus/find-prometheus.ts";
import { findSlsaVerifier } from "./slsa-verifier/slsa-verifier.ts";

/** Finds or builds every engine, and the two checkers that are not ours, side by side before the first test, so that no test's time limit has to hold a build. */
try {
  const { tell, begin } = createScreen(false, () => new Date());
  const say = (line: string) => tell("progress", line);
  const find = { say, begin, signal: AbortSignal.timeout(30 * 60_000) };
  await Promise.all([findEngines(find, ["kafka", "nats"]), findSlsaVerifier(find), findPrometheus(find)]);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
