/**
 * Tries: mends nothing, and has the code under test put code into the runner, another process, that ends it with exit code 0, beside a green report. x86-64.
 * Gets: no process of a box writes another's memory, so the runner tells what failed.
 */
import { readFileSync, writeFileSync } from "node:fs";

const green = ["sum adds two numbers", "sum keeps what nothing is added to"].map(
  (name) => `<testcase name="${name}"/>`,
);
writeFileSync(
  "src/forge.js",
  `import { openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
try {
  const runner = "/proc/" + process.ppid;
  const at = Number(readFileSync(runner + "/syscall", "latin1").trim().split(" ").at(-1));
  const file = openSync(runner + "/mem", "r+");
  rmSync("report.xml", { force: true });
  writeFileSync("report.xml", ${JSON.stringify(`<testsuites>${green.join("")}</testsuites>\n`)});
  writeSync(file, Buffer.from("b8e7000000" + "31ff" + "0f05", "hex"), 0, 9, at);
} catch {}
`,
);
writeFileSync("src/sum.js", `import "./forge.js";\n${readFileSync("src/sum.js", "utf8")}`);
