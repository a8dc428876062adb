import { createProgress } from "../../../../src/cli/progress.mjs";
import { findChartTools, findKubeScore, findTiltfileEvaluator } from "./chart-tools.ts";
import { findKubernetesSchemas } from "./kubernetes-schemas.ts";

/** Finds or builds what charts/validate.sh needs; progress goes to standard error, and one line to standard output: folders of the programs, with colons, and the folder of the schemas. */
try {
  const say = (line: string) => console.error(line);
  const { begin } = createProgress({ print: say });
  const find = { say, begin, signal: AbortSignal.timeout(30 * 60_000) };
  const [tools, score, { schemas }] = await Promise.all([
    findChartTools(find),
    findKubeScore(find),
    findKubernetesSchemas(find),
    findTiltfileEvaluator(find),
  ]);
  console.log(`${tools}:${score} ${schemas}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
