import { spawn } from "node:child_process";
import { close, openSync } from "node:fs";
import { lastWords } from "../../../src/text/strangers-text.ts";

/** How a short program of the host ended. */
export interface ProgramEnd {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const keptCharacters = 65_536;
/** Where a program finds the file that it is handed. */
export const handedDescriptor = 3;

/**
 * Runs a short program of the host to its end, with a clean environment; on abort it is killed, and awaited.
 * @param handed - file that the program may read at `handedDescriptor`
 * @throws the abort's reason, or the error of the start (`ENOENT`)
 */
export async function runProgram(argv: readonly string[], signal?: AbortSignal, handed?: string): Promise<ProgramEnd> {
  signal?.throwIfAborted();
  const handedFile = handed === undefined ? undefined : openSync(handed, "r");
  const [file = "", ...args] = argv;
  const { promise, resolve, reject } = Promise.withResolvers<ProgramEnd>();
  const child = spawn(file, args, {
    cwd: "/",
    env: hostEnvironment,
    stdio: ["ignore", "pipe", "pipe", handedFile ?? "ignore"],
    signal,
    killSignal: "SIGKILL",
  });
  if (handedFile !== undefined) close(handedFile);
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout = lastWords(stdout + chunk, keptCharacters);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = lastWords(stderr + chunk, keptCharacters);
  });
  let failure: unknown;
  child.on("error", (error) => {
    failure = signal?.aborted ? signal.reason : error;
  });
  // only now is everything that it started gone too
  child.on("close", (exitCode) => (failure === undefined ? resolve({ exitCode, stdout, stderr }) : reject(failure)));
  return await promise;
}

/** All that programs of the host get: the worker's own environment holds what nobody else may know. */
export const hostEnvironment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C" };
