// Plain JavaScript, since it is what brings Node 24: then hands over to the benchmarks.
import { spawnSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap, SetupError } from "../../src/cli/bootstrap.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
try {
  const node = await bootstrap({ root });
  const { status } = spawnSync(node, [join(root, "test/bench/main.ts"), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
}
