// Runs every check of the project and closes with one line that sums them all. Plain JavaScript, since it is what brings Node 24.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap, cacheDir, SetupError } from "../src/cli/bootstrap.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const node = await bootstrap({ root, forTests: true }).catch((error) => {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`npm test: ${error.message}\n`);
  process.exit(1);
});
const reports = mkdtempSync(join(tmpdir(), "automation-test-"));
const bin = (name) => join(root, "node_modules", ".bin", name);
/** As for users; without it, half of what a command costs is compiling. */
const compiled = join(cacheDir(), "compiled");
const totals = { passed: 0, failed: 0, skipped: 0 };

/** A check that passes or fails as a whole. */
async function check(name, command, args) {
  const code = await run(name, command, args);
  totals[code === 0 ? "passed" : "failed"] += 1;
}

/** Vitest projects that run side by side, file by file; their tests are counted one by one. */
async function suite(name, projects) {
  const report = join(reports, `${name}.json`);
  const args = [
    bin("vitest"),
    "run",
    ...projects.flatMap((project) => ["--project", project]),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ];
  const code = await run(name, node, args);
  let counted = 0;
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, "utf8"));
    totals.passed += numPassedTests;
    totals.failed += numFailedTests;
    totals.skipped += numPendingTests + numTodoTests;
    counted = numFailedTests;
  } catch (error) {
    process.stderr.write(`${name}: no report (${error.message})\n`);
  }
  if (code !== 0 && counted === 0) totals.failed += 1; // a file that could not be collected, or a crash
}

function run(name, command, args) {
  const started = Date.now();
  process.stdout.write(`\n=== ${name}\n`);
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { NODE_COMPILE_CACHE: compiled, ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
    });
    const end = (code) => {
      process.stdout.write(
        `=== ${name}: ${code === 0 ? "ok" : "FAILED"} in ${((Date.now() - started) / 1000).toFixed(1)} s\n`,
      );
      done(code);
    };
    child.on("error", (error) => {
      process.stderr.write(`${name}: ${error.message}\n`);
      end(1);
    });
    child.on("exit", (code) => end(code ?? 1));
  });
}

await check("engines", node, ["test/support/engines/prepare-engines.ts"]);
await check("format and lint", bin("biome"), ["check", "--error-on-warnings", "."]);
await check("types", node, [bin("tsc"), "--noEmit", "-p", "."]);
await check("types of the workflows", node, [bin("tsc"), "--noEmit", "-p", "workers/automation/workflows"]);
await check("proto lint", bin("buf"), ["lint"]);
await check("proto format", bin("buf"), ["format", "--diff", "--exit-code", "proto"]);
await check("generated code", node, ["test/generated-code.mjs"]);
await check("chart", "charts/validate.sh", []);
await suite("without engines", ["unit", "replay"]);
// One after the other, the longest file of each would leave the machine idle at its end.
await suite("on engines", ["bus", "faults", "e2e", "integration", "workspace"]);

rmSync(reports, { recursive: true, force: true });
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(totals.failed === 0 && totals.passed > 0 ? 0 : 1);
