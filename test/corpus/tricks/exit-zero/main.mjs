/**
 * Tries: the code under test shares a process with its runner, and turns the exit code into 0 at the end.
 * Gets: the report still names the test that failed.
 */
import { writeFileSync } from "node:fs";

writeFileSync(
  "src/sum.js",
  `process.on("exit", () => {
  process.exitCode = 0;
});
export const sum = (a, b) => a - b;
`,
);
