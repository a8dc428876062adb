/**
 * Tries: the code under test puts a report in the runner's place that lists passed tests only, though it counts a failure.
 * Gets: what is counted and not listed is a failure of the suite.
 */
import { writeFileSync } from "node:fs";

const names = ["sum adds two numbers", "sum keeps what nothing is added to"];
const cases = names.map((name) => `<testcase name="${name}"/>`).join("");
const report = `<testsuites><testsuite name="sum" tests="3" failures="1">${cases}</testsuite></testsuites>\n`;
writeFileSync(
  "src/sum.js",
  `import { rmSync, writeFileSync } from "node:fs";
process.on("exit", () => {
  rmSync("report.xml");
  writeFileSync("report.xml", ${JSON.stringify(report)});
});
export const sum = (a, b) => a - b;
`,
);
