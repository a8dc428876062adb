/**
 * Tries: puts a folder at the report's place, so that the runner can't write there, with a green report in it.
 * Gets: the folder is removed like anything else that lies there, and the real report is red.
 */
import { mkdirSync, writeFileSync } from "node:fs";

const names = ["sum adds two numbers", "sum keeps what nothing is added to"];
mkdirSync("report.xml");
writeFileSync(
  "report.xml/report.xml",
  `<testsuites>${names.map((name) => `<testcase name="${name}"/>`).join("")}</testsuites>\n`,
);
