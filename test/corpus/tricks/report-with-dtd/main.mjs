/**
 * Tries: the code under test waits for its own end, then puts a report of its own in the runner's place, whose document type says what an entity means.
 * Gets: no document type is read.
 */
import { writeFileSync } from "node:fs";

const report = `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE testsuites [<!ENTITY adds "sum adds two numbers">]>
<testsuites><testcase name="&adds;"/><testcase name="sum keeps what nothing is added to"/></testsuites>
`;
writeFileSync(
  "src/sum.js",
  `import { rmSync, writeFileSync } from "node:fs";
process.on("exit", () => {
  rmSync("report.xml"); // the runner goes on writing to what has no name any more
  writeFileSync("report.xml", ${JSON.stringify(report)});
});
export const sum = (a, b) => a - b;
`,
);
