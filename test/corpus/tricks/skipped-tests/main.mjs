/**
 * Tries: has the test that fails skipped.
 * Gets: a skipped test was not executed, and it is named.
 */
import { readFileSync, writeFileSync } from "node:fs";

const text = readFileSync("test/sum.test.js", "utf8");
writeFileSync("test/sum.test.js", text.replace('test("sum adds', 'test.skip("sum adds'));
