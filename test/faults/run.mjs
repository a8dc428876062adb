// Everything that takes processes and engines away: `npm run faults`. `npm test` has some seconds of test/faults, and leaves out what takes minutes: outages, the rolling update, and the change of credentials. Plain JavaScript, since it is what brings Node 24.
import { spawn } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap, SetupError } from "../../src/cli/bootstrap.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
try {
  const node = await bootstrap({ root, forTests: true });
  const projects = ["faults", "outages", "roll"].flatMap((name) => ["--project", name]);
  const vitest = [join(root, "node_modules", ".bin", "vitest"), "run", ...projects];
  const child = spawn(node, [...vitest, ...process.argv.slice(2)], {
    cwd: root,
    stdio: "inherit",
    env: { FUZZ_RUNS: "10000", NEMESIS_SECONDS: "600", ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  child.once("exit", (code) => process.exit(code ?? 1));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`npm run faults: ${error.message}\n`);
  process.exit(1);
}
