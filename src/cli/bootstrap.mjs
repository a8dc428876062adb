// @ts-check
/** Plain JavaScript, for any Node from 20 on: installs the packages, which contain the Node to run with. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, constants as osConstants, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createLiveLines, createProgress } from "./progress.mjs";

const installLimitMs = 15 * 60_000;

/** An error that is shown as one line. */
export class SetupError extends Error {
  /** @override */
  name = "SetupError";
}

const liveLines = createLiveLines(process.stderr);
/** @param {string} line */
const say = (line) => (liveLines ? liveLines.above(() => console.error(line)) : console.error(line));
const progress = createProgress({ live: liveLines, print: say });

/**
 * Installs the packages of the lock file, one start at a time, and the Debian packages that are needed.
 * @param {{ root: string, forUp?: boolean, forTests?: boolean, forImages?: boolean }} options - folder of the clone, and what is going to be done
 * @returns {Promise<string>} path of the Node to run everything else with
 * @throws SetupError that names what is missing or failed, and the remedy
 */
export async function bootstrap({ root, forUp = false, forTests = false, forImages = false }) {
  const debianPackages = [
    ...(forUp || forTests ? [sandbox] : []),
    ...(forTests ? [foreignProducer, browser] : []),
    ...(forImages ? containers : []),
  ];
  const bringing = bringDebianPackages(debianPackages);
  if (!isInstalled(root)) {
    const stop = forUp || forTests ? await compileAhead(root) : undefined;
    await installPackages(root).finally(stop);
  }
  const missing = (await bringing).filter((program) => program !== sandbox.program);
  if (missing.length > 0) {
    throw new SetupError(`the tests need ${missing.join(" and ")}; install as shown above and start again`);
  }
  return join(root, "node_modules", ".bin", "node");
}

const sandbox = { program: "bwrap", debianPackage: "bubblewrap", reason: "the sandbox of workspace steps" };
const foreignProducer = { program: "kcat", debianPackage: "kcat", reason: "a foreign Kafka client for the tests" };
const containers = [
  { program: "buildah", debianPackage: "buildah", reason: "the build of images" },
  { program: "mmdebstrap", debianPackage: "mmdebstrap", reason: "the images that the build begins with" },
  { program: "podman", debianPackage: "podman", reason: "containers" },
  { program: "runc", debianPackage: "runc", reason: "what runs them" },
  { program: "catatonit", debianPackage: "catatonit", reason: "what holds pods" },
];
const browser = { program: "chromium", debianPackage: "chromium", reason: "a browser for the tests" };

/** @param {string} root */
async function installPackages(root) {
  requireProgram("git", "install git (Debian: apt-get install git)");
  requireProgram("npm", "install Node 20 or newer with npm from https://nodejs.org");
  requireProgram("flock", "install the package util-linux");
  const task = progress.begin("installing packages", "about a minute the first time");
  try {
    await install(root, task.step);
    if (!isInstalled(root)) {
      throw new SetupError(
        `npm ci ended well, and ${join(root, "node_modules")} still differs from package-lock.json; remove node_modules and start again`,
      );
    }
    task.end("installed packages");
  } finally {
    task.end();
  }
}

/**
 * npm writes `node_modules/.package-lock.json` last, so it shows that an installation is complete. It is up to date when each package has the locked version.
 * @param {string} root
 */
function isInstalled(root) {
  const wanted = readPackages(join(root, "package-lock.json"));
  if (wanted === undefined)
    throw new SetupError(
      `${join(root, "package-lock.json")} is missing or damaged; restore it with \`git checkout package-lock.json\``,
    );
  const present = readPackages(join(root, "node_modules", ".package-lock.json"));
  if (present === undefined || !existsSync(join(root, "node_modules", "node", "bin", "node"))) return false;
  return (
    Object.entries(wanted).every(
      ([path, entry]) => path === "" || entry.optional || present[path]?.version === entry.version,
    ) && Object.entries(present).every(([path, entry]) => wanted[path]?.version === entry.version)
  );
}

/**
 * How many packages of the lock file are for this machine.
 * @param {string} root
 */
function countPackages(root) {
  const packages = Object.entries(readPackages(join(root, "package-lock.json")) ?? {});
  return packages.filter(
    ([path, { os, cpu }]) =>
      path !== "" && (os?.includes(process.platform) ?? true) && (cpu?.includes(process.arch) ?? true),
  ).length;
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean, os?: string[], cpu?: string[] }> | undefined}
 */
function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8")).packages;
  } catch {
    return undefined;
  }
}

/** Folder of what all clones share. */
export function cacheDir() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "automation-scheduler");
}

/**
 * Compiles the S3 server, the longest build, while packages are downloaded; the real build then finds the results in Go's cache.
 * @param {string} root
 * @returns {Promise<() => void>} ends it
 */
async function compileAhead(root) {
  const engines = join(cacheDir(), "engines");
  const isBuilt = existsSync(engines) && readdirSync(engines).some((name) => /^versitygw-.*\d$/.test(name));
  if (isBuilt || isOnPath("versitygw") || !isOnPath("go")) return () => {};
  const { goBuild, goEnvironment } = await import("../../local/engines/go-build.mjs"); // an image has no local/
  const kept = mkdtempSync(join(tmpdir(), "automation-go-"));
  const go = ["--pdeathsig", "KILL", "go", "build", "-o", "/dev/null", ...goBuild];
  const child = spawn("setpriv", go, {
    cwd: join(root, "local", "engines", "s3"),
    env: goEnvironment(kept),
    detached: true,
    stdio: "ignore",
  });
  child.on("error", () => {}); // The real build reports errors.
  const stop = () => {
    process.removeListener("exit", stop);
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
    rmSync(kept, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once("exit", stop);
  return stop;
}

/**
 * Runs `npm ci` under a file lock, which the kernel releases when its holder ends. Whoever waited finds the packages installed.
 * @param {string} root
 * @param {(text: string) => void} step - hears how far it is
 */
async function install(root, step) {
  const locks = join(cacheDir(), "locks");
  try {
    mkdirSync(locks, { recursive: true });
    accessSync(locks, constants.W_OK);
  } catch (error) {
    throw new SetupError(
      `${locks} cannot be written (${/** @type {NodeJS.ErrnoException} */ (error).code}); mend that, or point XDG_CACHE_HOME at a folder of yours, and start again`,
    );
  }
  const lock = join(locks, `${createHash("sha256").update(root).digest("hex").slice(0, 16)}.lock`);
  const free = spawnSync("flock", ["--nonblock", lock, "true"]).status === 0;
  if (!free) say("waiting for another start that is installing packages");
  const child = spawn("flock", [lock, process.execPath, "-e", onceUnderLock, root, import.meta.url], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const total = countPackages(root);
  let count = 0;
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk) => {
      count += chunk.match(/^npm http (fetch GET 200|cache) .*\.tgz /gm)?.length ?? 0;
      const failure = /^npm http fetch .* attempt \d+ failed with (\w+)/m.exec(chunk)?.[1];
      if (failure !== undefined) step(`the registry is silent (${failure}); trying again`);
      else if (count > 0) step(`${count} of ${total} packages fetched`);
      output = (output + chunk).slice(-64 * 1024);
    });
  const kill = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
  };
  const limit = setTimeout(kill, installLimitMs);
  /** @param {NodeJS.Signals} signal */
  const interrupt = (signal) => {
    kill();
    say("the installation of packages was interrupted; start again and it is done anew");
    process.exit(128 + osConstants.signals[signal]);
  };
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.once(signal, interrupt);
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(limit);
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]))
    process.removeListener(signal, interrupt);
  if (code !== 0) throw new SetupError(explain(output, code));
}

const onceUnderLock = `
  const [root, bootstrap] = process.argv.slice(1);
  import(bootstrap).then(({ installUnderLock }) => process.exit(installUnderLock(root)));
`;

/**
 * @param {string} root
 * @returns {number} exit code of npm
 */
export function installUnderLock(root) {
  if (isInstalled(root)) return 0;
  const npm = ["ci", "--prefer-offline", "--no-progress", "--loglevel=http"];
  return spawnSync("npm", npm, { cwd: root, stdio: "inherit" }).status ?? 1;
}

/**
 * @param {string} output
 * @param {unknown} code
 */
function explain(output, code) {
  if (/ENOSPC|no space left/i.test(output))
    return "no space left to install packages (about 900 MB); free some and start again";
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET/.test(output))
    return "the package registry cannot be reached; check the network (or npm's `registry` and `proxy` settings) and start again";
  const reason = output.split("\n").find((line) => /npm (error|ERR!)/.test(line) && !/ code /.test(line));
  return `npm ci failed (${reason?.trim() ?? `it ended with ${code}`}); mend that and start again`;
}

/**
 * @param {string} program
 * @param {string} remedy
 */
function requireProgram(program, remedy) {
  if (!isOnPath(program)) throw new SetupError(`${program} is missing; ${remedy}, and start again`);
}

/** @param {string} program */
function isOnPath(program) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Installs programs from Debian packages: as root on Debian it installs and says so, otherwise it prints the command to run.
 * @param {{ program: string, debianPackage: string, reason: string }[]} wanted
 * @returns {Promise<string[]>} the programs that are still missing
 */
async function bringDebianPackages(wanted) {
  const missing = wanted.filter(({ program }) => !isOnPath(program));
  if (missing.length === 0) return [];
  const packages = missing.map(({ debianPackage }) => debianPackage);
  const reasons = missing.map(({ program, reason }) => `${program} (${reason})`).join(", ");
  const command = `apt-get install -y ${packages.join(" ")}`;
  if (process.getuid?.() === 0 && isOnPath("apt-get")) {
    const task = progress.begin(`installing ${reasons}`, command);
    const install = () => runApt(["install", "-y", "--no-install-recommends", ...packages], task.step);
    let failure = await install();
    if (failure !== undefined) {
      await runApt(["update"], task.step);
      failure = await install();
    }
    task.end(failure === undefined ? `installed ${reasons}` : undefined);
    if (failure !== undefined) say(`could not install ${reasons}: ${failure}; try \`${command}\``);
  } else {
    say(`missing: ${reasons}; install with \`sudo ${command}\``);
  }
  return missing.filter(({ program }) => !isOnPath(program)).map(({ program }) => program);
}

/**
 * @param {string[]} args
 * @param {(text: string) => void} step - hears how far it is
 * @returns {Promise<string | undefined>} the last line of its complaint when it failed
 */
async function runApt(args, step) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const child = spawn("apt-get", ["-qq", "-o", "APT::Status-Fd=1", "-o", "DPkg::Lock::Timeout=120", ...args], {
    env,
    timeout: 5 * 60_000,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => (complaint = (complaint + chunk).slice(-64 * 1024)));
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    const percent = /^(?:dl|pm)status:[^:]*:(\d+)/m.exec(chunk)?.[1];
    if (percent !== undefined) step(`${percent} %`);
  });
  const code = await new Promise((resolve) => child.once("error", () => resolve(1)).once("close", resolve));
  return code === 0 ? undefined : complaint.trim().split("\n").at(-1);
}
