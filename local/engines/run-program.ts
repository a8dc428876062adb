import { spawn } from "node:child_process";
import { sendSignal } from "./send-signal.ts";

export interface ProgramResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface ProgramOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Written to its standard input, which is then closed. */
  input?: string;
  /** Each line of either output as it comes. */
  onLine?: (line: string) => void;
  limitMs: number;
  signal: AbortSignal;
}

const keptCharacters = 64 * 1024;

/**
 * Runs a program to its end, in its own process group, which is killed when the signal aborts, the limit passes or this process ends.
 * The last 64 Ki characters of each output are kept.
 * @throws Error with errno code ENOENT when the program does not exist; the signal's reason when aborted
 */
export async function runProgram(argv: string[], options: ProgramOptions): Promise<ProgramResult> {
  options.signal.throwIfAborted();
  const [program = "", ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const kill = () => {
    if (child.pid !== undefined) sendSignal(child.pid, "SIGKILL", "group");
  };
  const limit = AbortSignal.timeout(options.limitMs);
  const either = AbortSignal.any([options.signal, limit]);
  either.addEventListener("abort", kill, { once: true });
  process.once("exit", kill);
  const result = { stdout: "", stderr: "" };
  for (const output of ["stdout", "stderr"] as const) {
    let rest = "";
    child[output].setEncoding("utf8").on("data", (chunk: string) => {
      result[output] = (result[output] + chunk).slice(-keptCharacters);
      const lines = (rest + chunk).split("\n");
      rest = (lines.pop() ?? "").slice(-keptCharacters);
      for (const line of lines) options.onLine?.(line);
    });
  }
  child.stdin.on("error", () => {}); // It may end without reading; its exit code tells.
  child.stdin.end(options.input);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    options.signal.throwIfAborted();
    if (limit.aborted) throw new Error(`${program} took longer than ${options.limitMs / 1000} s and was killed`);
    return { code, ...result };
  } finally {
    either.removeEventListener("abort", kill);
    process.removeListener("exit", kill);
  }
}
