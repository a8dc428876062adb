import { spawn } from "node:child_process";
import { close, openSync } from "node:fs";
import { lastWords } from "../../../src/text/strangers-text.ts";

/** How a short program on the host ended. */
export interface ProgramEnd {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const keptCharacters = 65_536;
/** The file descriptor on which a program gets the file that it is handed. */
export const handedDescriptor = 3;

/**
 * Runs a short program on the host until it ends, with a clean environment. On abort it is killed and waited for.
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
  // unlike `exit`, `close` comes after everything that it started has ended
  child.on("close", (exitCode) => (failure === undefined ? resolve({ exitCode, stdout, stderr }) : reject(failure)));
  return await promise;
}

/** The whole environment of programs on the host: the worker's own holds secrets. */
export const hostEnvironment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C" };
