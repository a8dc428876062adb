/**
 * Tries: the code under test ends its process with 0 before any test is declared; the runner takes such a file for one that passed.
 * Gets: no test was executed, and both are missed.
 */
import { writeFileSync } from "node:fs";

writeFileSync("src/sum.js", "process.exit(0);\nexport const sum = (a, b) => a - b;\n");
