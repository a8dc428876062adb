import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { lastWords } from "../../../src/text/strangers-text.ts";
import { hostEnvironment } from "../host/run-program.ts";

/** git ended with an unexpected exit code, or wrote too much output. */
export class GitError extends Error {
  override readonly name = "GitError";
  readonly code = "git_failed";
  /** Absent when a signal ended it. */
  readonly exitCode: number | undefined;
  /** The end of its standard error, at most 4,096 characters. */
  readonly stderr: string;

  constructor(command: string, exitCode: number | undefined, stderr: string, options?: ErrorOptions) {
    super(`git ${command} ended with ${exitCode ?? "a signal"}: ${stderr.trim() || "it said nothing"}`, options);
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** git exceeded its time limit. */
export class GitTimeoutError extends Error {
  override readonly name = "GitTimeoutError";
  readonly code = "git_timeout";
  constructor(command: string, timeoutMs: number) {
    super(`git ${command} took longer than ${timeoutMs / 1_000} s`);
  }
}

export interface GitOptions {
  /** Bare repository to work on. */
  readonly gitDir?: string;
  /** `/` when absent. */
  readonly cwd?: string;
  /** Closed at once when absent. */
  readonly input?: Buffer | Readable;
  /** Reads the output as a stream instead of having it returned. Git waits for the reader. */
  readonly read?: (stdout: Readable) => Promise<void>;
  /** More output ends git, also when `read` takes it. */
  readonly maxOutputBytes: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Added to the environment, which is otherwise the same for all. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of each process of git: what it holds besides mapped files. 512 MiB when absent. */
  readonly memoryBytes?: number;
  /** Of one file that git writes, so of what one fetch brings: a remote may send without end. 8 GiB when absent. */
  readonly fileBytes?: number;
  /** 0 alone when absent. */
  readonly okExitCodes?: readonly number[];
}

export interface GitEnd {
  readonly stdout: Buffer;
  readonly exitCode: number;
}

/** The only settings of git on this host. */
export const gitSettings: string = fileURLToPath(new URL("./git-config", import.meta.url));
const keptErrorCharacters = 4_096;
const mostMemoryBytes = 512 * 1024 ** 2;
const mostFileBytes = 8 * 1024 ** 3;
/** CPU time of each process. Less than the time limit of a fetch, so that a slow network is told apart from slow work. */
const mostCpuSeconds = 600;

/**
 * Git reads no settings of the host or of a user, asks for no password, runs no hook, helper or filter, and starts no program but its own.
 * `safe.directory` is `*`, since a folder below a configured root may belong to anybody: `git-upload-pack`, which git starts there, reads this same file.
 */
const environment = {
  ...hostEnvironment,
  LC_ALL: "C",
  HOME: "/dev/null", // otherwise curl reads the account's .netrc
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: gitSettings,
  GIT_ATTR_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "/bin/false",
  GIT_NO_LAZY_FETCH: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_ALLOW_PROTOCOL: "none",
};

/**
 * Runs git on the host; nothing else does. Git is killed, with all that it started, when the worker dies, the signal aborts or the time is over.
 * @param args - what follows `git`; untrusted text may not stand where git takes options
 * @throws GitError, GitTimeoutError, the signal's reason, what `read` throws
 */
export async function runGit(args: readonly string[], options: GitOptions): Promise<GitEnd> {
  const { gitDir, input, maxOutputBytes, timeoutMs, signal, okExitCodes = [0] } = options;
  const { memoryBytes = mostMemoryBytes, fileBytes = mostFileBytes } = options;
  signal.throwIfAborted();
  const stop = new AbortController();
  const limit = AbortSignal.any([signal, stop.signal]);
  const command = args.find((arg) => /^[a-z-]+$/.test(arg) && !arg.startsWith("-")) ?? "";
  const timer = setTimeout(() => stop.abort(new GitTimeoutError(command, timeoutMs)), timeoutMs);
  const child = spawn(
    "setpriv",
    [
      "--pdeathsig",
      "SIGKILL",
      "prlimit",
      `--data=${memoryBytes}`,
      `--fsize=${fileBytes}`,
      `--cpu=${Math.min(mostCpuSeconds, Math.ceil(timeoutMs / 1_000))}`,
      "--",
      // git then reports a file that is too large, instead of being killed for it
      "sh",
      "-c",
      'trap "" XFSZ; exec "$@"',
      "sh",
      "git",
      ...(gitDir === undefined ? [] : [`--git-dir=${gitDir}`]),
      ...args,
    ],
    { cwd: options.cwd ?? "/", env: { ...environment, ...options.env }, stdio: "pipe", detached: true },
  );
  const kill = () => killGroup(child.pid);
  limit.addEventListener("abort", kill);

  let said = 0;
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = lastWords(stderr + chunk.toString("utf8"), keptErrorCharacters);
  });
  const bounded = async function* (source: AsyncIterable<Buffer>) {
    for await (const chunk of source) {
      said += chunk.length;
      if (said > maxOutputBytes) throw new GitError(command, undefined, `it said more than ${maxOutputBytes} bytes`);
      yield chunk;
    }
  };
  const chunks: Buffer[] = [];
  const read = async () => {
    const stdout = Readable.from(bounded(child.stdout), { objectMode: false });
    if (options.read !== undefined) return await options.read(stdout);
    for await (const chunk of stdout) chunks.push(chunk);
  };
  const write = async () => {
    // when git does not read all its input, its exit code says why
    await pipeline(input instanceof Readable ? input : [input ?? Buffer.alloc(0)], child.stdin).catch((error) => {
      if (!["EPIPE", "ERR_STREAM_PREMATURE_CLOSE", "ECONNRESET"].includes(error.code)) throw error;
    });
  };
  const onFault = (error: unknown) => stop.abort(error);
  try {
    const closed = once(child, "close");
    closed.catch(() => undefined);
    await Promise.all([read().catch(onFault), write().catch(onFault), closed.catch(onFault)]);
    limit.throwIfAborted();
    const [exitCode] = (await closed) as [number | null];
    if (exitCode === null || !okExitCodes.includes(exitCode))
      throw new GitError(command, exitCode ?? undefined, stderr);
    return { stdout: Buffer.concat(chunks), exitCode };
  } finally {
    clearTimeout(timer);
    limit.removeEventListener("abort", kill);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
