// Tries this program together with that of an earlier commit: `npm run test:upgrade -- COMMIT`. Plain JavaScript, since it is what brings Node 24.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bootstrap, SetupError } from "../../src/cli/bootstrap.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** @param {string} cwd @param {string[]} argv @param {NodeJS.ProcessEnv} env */
function run(cwd, [command = "", ...args], env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: "inherit" });
  if (status !== 0) throw new SetupError(`${command} ${args.join(" ")}: ${error?.message ?? `ended with ${status}`}`);
}

const earlier = mkdtempSync(join(tmpdir(), "automation-earlier-"));
try {
  const [commit, ...rest] = process.argv.slice(2);
  if (commit === undefined || rest.length > 0)
    throw new SetupError("name the commit to upgrade from, for example `npm run test:upgrade -- HEAD~20`");
  const node = await bootstrap({ root, forUp: true });
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}`, EARLIER_CLONE: earlier };
  run(root, ["git", "worktree", "add", "--detach", earlier, commit]);
  run(earlier, ["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"], env);
  run(root, [node, join(root, "node_modules", ".bin", "vitest"), "run", "--project", "upgrade"], env);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`npm run test:upgrade: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(earlier, { recursive: true, force: true });
  spawnSync("git", ["worktree", "prune"], { cwd: root });
}
