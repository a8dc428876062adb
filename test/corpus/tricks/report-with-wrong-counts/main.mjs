/**
 * Tries: the code under test puts a report in the runner's place that announces more passed tests than it holds.
 * Gets: a report that contradicts itself does not count.
 */
import { writeFileSync } from "node:fs";

const names = ["sum adds two numbers", "sum keeps what nothing is added to"];
const cases = names.map((name) => `<testcase name="${name}"/>`).join("");
const report = `<testsuites><testsuite name="sum" tests="5" failures="0">${cases}</testsuite></testsuites>\n`;
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
