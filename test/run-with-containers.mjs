// Builds the images and tries them: `npm run test:images`. Plain JavaScript, since it is what brings Node 24.
import { spawn } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap, SetupError } from "../../src/cli/bootstrap.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
try {
  const node = await bootstrap({ root, forUp: true, forImages: true });
  const vitest = [join(root, "node_modules", ".bin", "vitest"), "run", "--project", "images"];
  const child = spawn(node, vitest, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  child.once("exit", (code) => process.exit(code ?? 1));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`npm run test:images: ${error.message}\n`);
  process.exit(1);
}
