import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "./error.ts";
import { goBuild, goEnvironment } from "./go-build.mjs";
import { pinnedVersion, requireProgram } from "./programs.ts";
import { runProgram } from "./run-program.ts";

/** From 1.21 on, Go downloads the toolchain that a `go.mod` asks for. */
const firstGoThatFetchesNewer = 21;

export interface GoBuild {
  engine: string;
  /** Its `go.mod` names one tool; `go.sum` beside it carries the checksums of all that goes in. */
  moduleDir: string;
  /** Folder that the program is put into, by the name of the engine. */
  dir: string;
  step: (text: string) => void;
  signal: AbortSignal;
  /** In place of those of `goBuild`. */
  flags?: readonly string[] | undefined;
}

/** A build uses all cores and the results of earlier ones: one at a time is faster than in parallel. */
let lastBuild: Promise<unknown> = Promise.resolve();

/**
 * Builds the program of a Go tools module.
 * @throws EngineError missing_program | wrong_version; Error with what Go complains of
 */
export async function buildWithGo(build: GoBuild): Promise<void> {
  const before = lastBuild;
  const own = before.catch(() => undefined).then(() => buildNow(build));
  lastBuild = own;
  await own;
}

async function buildNow({ engine, moduleDir, dir, step, signal, flags = [] }: GoBuild): Promise<void> {
  const go = await requireGo(engine, moduleDir, signal);
  // Temporary files of a killed Go are in the folder that is removed.
  const env = goEnvironment(dir);
  const run = async (argv: string[], onLine: (line: string) => void) => {
    const killable = ["setpriv", "--pdeathsig", "KILL", go, ...argv];
    return await runProgram(killable, { cwd: moduleDir, env, limitMs: 30 * 60_000, onLine, signal });
  };
  const what = [...goBuild.slice(0, -1), ...flags, ...goBuild.slice(-1)];
  let fetched = 0;
  const packages = new Set<string>();
  const listed = await run(["list", "-deps", ...what], (line) => {
    if (line.startsWith("go: downloading ")) step(`${++fetched} modules fetched`);
    else packages.add(line);
  });
  if (listed.code !== 0) throw new Error(listed.stderr || `go list ended with ${listed.code}`);
  let compiled = 0;
  const built = await run(["build", "-v", "-o", join(dir, engine), ...what], (line) => {
    if (packages.has(line)) step(`${++compiled} of ${packages.size} packages compiled`);
  });
  if (built.code === 0) return;
  const complaint = built.stderr.split("\n").filter((line) => !packages.has(line));
  throw new Error(complaint.join("\n") || `go build ended with ${built.code}`);
}

async function requireGo(engine: string, moduleDir: string, signal: AbortSignal): Promise<string> {
  const version = pinnedVersion(readFileSync(join(moduleDir, "go.mod"), "utf8"), /^go (\S+)/m);
  const remedy = `install Go ${version} or newer from https://go.dev/dl`;
  const go = requireProgram(engine, "go", `to build ${engine}`, remedy);
  const { stdout } = await runProgram([go, "version"], { limitMs: 20_000, signal });
  const minor = Number(/ go1\.(\d+)/.exec(stdout)?.[1] ?? 0);
  if (minor >= firstGoThatFetchesNewer) return go;
  throw new EngineError(
    engine,
    "wrong_version",
    `${go} is too old to build ${engine} (${stdout.trim()}); ${remedy}, and start again`,
  );
}
