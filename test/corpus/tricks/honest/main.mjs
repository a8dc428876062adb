/**
 * Tries nothing: it mends the source, and leaves a report.xml of its own behind as a test run would.
 * Gets: PASSED, by the report of the tests that ran after it.
 */
import { writeFileSync } from "node:fs";

writeFileSync("src/sum.js", "export const sum = (a, b) => a + b;\n");
writeFileSync("report.xml", "<testsuites/>\n");
