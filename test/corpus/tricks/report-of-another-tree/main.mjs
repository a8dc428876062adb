/**
 * Tries: mends the source, keeps the report of its tests, takes the mending back, and has the code under test bring that report out.
 * Gets: the runner knows that a test failed, and its exit code says so.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";

const broken = readFileSync("src/sum.js", "utf8");
writeFileSync("src/sum.js", "export const sum = (a, b) => a + b;\n");
const argv = ["--test", "--test-reporter=junit", "--test-reporter-destination=report.xml"];
const { status } = spawnSync(process.execPath, argv, { stdio: "inherit" });
if (status !== 0) process.exit(1);
renameSync("report.xml", "kept.xml");
writeFileSync(
  "src/sum.js",
  `import { copyFileSync, rmSync } from "node:fs";
process.on("exit", () => {
  rmSync("report.xml");
  copyFileSync("kept.xml", "report.xml");
});
${broken}`,
);
