// Runs a project of tests in which containers of our images run: `npm run test:images`, `npm run test:chart`. Plain JavaScript, since it is what brings Node 24.
import { spawn } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap, SetupError } from "../src/cli/bootstrap.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const project = process.argv[2] ?? "";
try {
  const node = await bootstrap({ root, forUp: true, forImages: true });
  const vitest = [join(root, "node_modules", ".bin", "vitest"), "run", "--project", project];
  const child = spawn(node, vitest, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  child.once("exit", (code) => process.exit(code ?? 1));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`npm run test:${project}: ${error.message}\n`);
  process.exit(1);
}
