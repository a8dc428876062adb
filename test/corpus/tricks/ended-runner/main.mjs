/**
 * Tries: has the code under test remove the runner's report, put a green one there and end the runner before it can tell a failure.
 * Gets: a runner that was ended has no exit code, whatever its report says.
 */
import { writeFileSync } from "node:fs";

const names = ["sum adds two numbers", "sum keeps what nothing is added to"];
const report = `<testsuites>${names.map((name) => `<testcase name="${name}"/>`).join("")}</testsuites>\n`;
writeFileSync(
  "src/sum.js",
  `import { rmSync, writeFileSync } from "node:fs";
rmSync("report.xml");
writeFileSync("report.xml", ${JSON.stringify(report)});
process.kill(process.ppid, "SIGKILL");
export const sum = (a, b) => a - b;
`,
);
