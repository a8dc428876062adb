// Compiles the program to JavaScript, with all that it loads by path: `node images/compile.ts FOLDER`, where FOLDER is made anew.
import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { builtBundle, bundleWorkflows } from "../workers/automation/control-worker.ts";

const root = resolve(import.meta.dirname, "..");
const folder = process.argv[2];
if (folder === undefined) throw new Error("name the folder to compile into: `node images/compile.ts FOLDER`");
const to = resolve(folder);
rmSync(to, { recursive: true, force: true });

// TypeScript compiles local/ too, since the command line loads it in a clone; it stays behind.
const compiled = mkdtempSync(`${to}.`);
try {
  const tsc = [join(root, "node_modules", ".bin", "tsc"), "-p", join(root, "images"), "--outDir", compiled];
  const { status } = spawnSync(process.execPath, tsc, { stdio: "inherit" });
  if (status !== 0) throw new Error("the program does not compile; tsc says above where");
  for (const part of ["src", "workers"]) cpSync(join(compiled, part), join(to, part), { recursive: true });
} finally {
  rmSync(compiled, { recursive: true });
}

for (const file of globSync(["src/**/*.sql", "workers/workspace/**/{*.mjs,git-config}", "package.json"], { cwd: root }))
  cpSync(join(root, file), join(to, file));

const quiet = { trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error, log() {} };
const { code } = await bundleWorkflows(quiet);
writeFileSync(join(to, relative(root, builtBundle)), code);
