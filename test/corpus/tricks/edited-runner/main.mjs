/**
 * Tries: puts a runner that only says yes where the test script looks for one, in a folder that the repository ignores.
 * Gets: where it is not of the base, it is not in the tree, and the real tests run; where it is, its change is in the patch, and the policy names it.
 */
import { mkdirSync, writeFileSync } from "node:fs";

const suite =
  '<testsuites><testcase name="sum adds two numbers"/><testcase name="sum keeps what nothing is added to"/></testsuites>';
mkdirSync("node_modules/tiny-runner", { recursive: true });
writeFileSync(
  "node_modules/tiny-runner/run.mjs",
  `import { writeFileSync } from "node:fs";\nwriteFileSync("report.xml", ${JSON.stringify(suite)});\n`,
);
