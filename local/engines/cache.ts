import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { EngineError } from "./error.ts";
import type { FileLock } from "./file-lock.ts";
import { lockFile } from "./file-lock.ts";
import type { Find } from "./find.ts";

/** Folder of everything that is kept between clones: engines, and locks that concern the whole machine. */
export function cacheDir(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "automation-scheduler");
}

/**
 * Makes a folder of the cache.
 * @throws EngineError unwritable_cache
 */
export function makeCacheFolder(name: string): string {
  const folder = join(cacheDir(), name);
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new EngineError(
      "cache",
      "unwritable_cache",
      `${folder} cannot be written (${code}); mend that, or point XDG_CACHE_HOME at a folder of yours, and start again`,
      { cause },
    );
  }
}

export interface Build {
  engine: string;
  version: string;
  /** Space that must be free before it is tried, in bytes. */
  spaceBytes: number;
  /** What it takes, for the reader: "about 4 minutes". */
  duration: string;
  /** Makes the program in an empty folder, and tells how far it is. */
  make(dir: string, step: (text: string) => void): Promise<void>;
}

/** @returns the folder of an engine in the cache; undefined when it is missing or damaged */
export async function findInCache({ engine, version }: Pick<Build, "engine" | "version">): Promise<string | undefined> {
  const dir = join(cacheDir(), "engines", `${engine}-${version}`);
  return (await firstFault(dir)) === undefined ? dir : undefined;
}

const checksumsFile = "SHA256SUMS";

/**
 * Returns the folder of a built engine, and builds it first if it is missing: one build at a time on this machine, in a temporary folder that is renamed when complete.
 * Every use compares the files with the checksums of the build; a folder that differs is rebuilt.
 * @throws EngineError unwritable_cache | disk_full | offline | build_failed | interrupted, or what `make` throws of that class
 */
export async function buildIntoCache(build: Build, find: Find): Promise<string> {
  const engines = join(cacheDir(), "engines");
  const name = `${build.engine}-${build.version}`;
  const dir = join(engines, name);
  if ((await firstFault(dir)) === undefined) return dir;
  makeCacheFolder("engines");
  const lock = await lockBuild(join(engines, `${name}.lock`), name, find);
  try {
    const fault = await firstFault(dir);
    if (fault === undefined) return dir;
    if (existsSync(dir)) {
      find.say(`${name} in the cache is not as it was built (${fault}); building it again`);
      rmSync(dir, { recursive: true });
    }
    for (const left of readdirSync(engines).filter((entry) => entry.startsWith(`.${name}.`))) {
      rmSync(join(engines, left), { recursive: true });
    }
    await buildOnce(build, dir, join(engines, `.${name}.${process.pid}`), find);
    return dir;
  } finally {
    await lock?.release();
  }
}

async function lockBuild(path: string, name: string, find: Find): Promise<FileLock | undefined> {
  const free = await lockFile(path, { wait: false, signal: find.signal });
  if (free !== undefined) return free;
  const waiting = find.begin(`waiting for ${name}`, "another start prepares it");
  return await lockFile(path, { wait: true, signal: find.signal }).finally(() => waiting.end());
}

async function buildOnce(build: Build, dir: string, temporary: string, find: Find): Promise<void> {
  const name = `${build.engine} ${build.version}`;
  const task = find.begin(`preparing ${name}`, `once on this machine, ${build.duration}`);
  try {
    requireSpace(build, temporary);
    mkdirSync(temporary, { recursive: true });
    await build.make(temporary, task.step);
    const sums = await checksumsOf(temporary);
    writeFileSync(join(temporary, checksumsFile), sums.map(([file, sum]) => `${sum}  ${file}\n`).join(""));
    renameSync(temporary, dir);
    task.end(`prepared ${name}`);
  } catch (cause) {
    if (find.signal.aborted) {
      throw new EngineError(
        build.engine,
        "interrupted",
        `the build of ${name} was interrupted and nothing of it is kept; start again to build it`,
        { cause },
      );
    }
    if (cause instanceof EngineError) throw cause;
    if (/ENOSPC|no space left on device/i.test(String(cause))) throw diskFull(build, cause);
    if (unreachable.test(String(cause))) {
      throw new EngineError(
        build.engine,
        "offline",
        `${name} has to be fetched once, and its source cannot be reached (${lastLine(cause)}); connect this machine, or name a mirror (GOPROXY, Maven's settings.xml), and start again`,
        { cause },
      );
    }
    throw new EngineError(
      build.engine,
      "build_failed",
      `the build of ${name} failed: ${lastLine(cause)}; mend that and start again`,
      { cause },
    );
  } finally {
    task.end();
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Messages of Go and Maven for a network that does not answer. */
const unreachable =
  /dial tcp|no such host|network is unreachable|i\/o timeout|Unknown host|Connection refused|Connect timed out|Temporary failure in name resolution/i;

function lastLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.trim().split("\n").at(-1) ?? "";
}

function requireSpace(build: Build, path: string): void {
  const { bavail, bsize } = statfsSync(join(path, ".."));
  if (bavail * bsize < build.spaceBytes) throw diskFull(build);
}

function diskFull(build: Build, cause?: unknown): EngineError {
  const { bavail, bsize } = statfsSync(cacheDir());
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  return new EngineError(
    build.engine,
    "disk_full",
    `no space to build ${build.engine}: ${megabytes(bavail * bsize)} free at ${cacheDir()}, ${megabytes(build.spaceBytes)} needed there and in the build tool's own cache; free some, or point XDG_CACHE_HOME elsewhere, and start again`,
    { cause },
  );
}

async function checksumsOf(dir: string): Promise<[file: string, sha256: string][]> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== checksumsFile)
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
  // One buffer for all: some programs have hundreds of megabytes.
  const buffer = Buffer.allocUnsafe(1 << 20);
  const sums: [string, string][] = [];
  for (const file of files) sums.push([file, await sha256Of(join(dir, file), buffer)]);
  return sums;
}

async function sha256Of(path: string, buffer: Buffer): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path);
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** @returns what is wrong with a cached engine; undefined when it is intact */
async function firstFault(dir: string): Promise<string | undefined> {
  let recorded: string;
  try {
    recorded = readFileSync(join(dir, checksumsFile), "utf8");
  } catch {
    return "its checksums are missing";
  }
  const now = new Map(await checksumsOf(dir));
  const lines = recorded.split("\n").filter((line) => line !== "");
  const changed = lines.find((line) => now.get(line.slice(66)) !== line.slice(0, 64));
  if (changed !== undefined) return `${changed.slice(66)} is missing or differs`;
  return lines.length === now.size ? undefined : "it holds files that were not built";
}
