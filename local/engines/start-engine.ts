import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { EngineError } from "./engine-error.ts";
import type { EngineProcess, EngineProcessOptions } from "./engine-process.ts";
import { startProcess } from "./engine-process.ts";
import { isFree } from "./ports.ts";
import { waitUntil } from "./wait-until.ts";

/**
 * Starts a program that listens on `port` of the loopback address, where nobody else may answer in its place, and waits until `ready` says yes. When it ends first or stays silent, it is stopped and the end of its log is shown.
 * @throws EngineError start_failed; the signal's reason when aborted
 */
export async function startEngine(
  options: EngineProcessOptions & { port: number; ready: () => Promise<boolean>; signal: AbortSignal },
): Promise<EngineProcess> {
  if (!(await isFree(options.port))) {
    const message = `${options.name} cannot listen on ${options.port}: another program does; end that one and start again`;
    throw new EngineError(options.name, "start_failed", message);
  }
  const running = await startProcess(options);
  let gone = false;
  void running.exited.then(() => {
    gone = true;
  });
  try {
    await waitUntil(
      `the start of ${options.name}`,
      async () => {
        if (gone) throw new Error(`${options.name} ended while starting`);
        return await options.ready();
      },
      { limitMs: startLimitMs, signal: options.signal },
    );
    return running;
  } catch (cause) {
    await running.stop();
    options.signal.throwIfAborted();
    if (cause instanceof EngineError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError(
      options.name,
      "start_failed",
      `${why}: ${tellingLine(options.logFile, running.logFrom)}; see ${options.logFile}`,
      { cause },
    );
  }
}

/**
 * The line of a log that most likely says why: the last that speaks of an error, else the last one; cut to 300 characters.
 * @param from - where the program began to write, in bytes
 */
export function tellingLine(logFile: string, from: number): string {
  const lines = readFileSync(logFile).subarray(from).toString("utf8").trimEnd().split("\n");
  const telling = lines.findLast((line) => /error|fatal|exception/i.test(line) && !/^\s/.test(line)) ?? lines.at(-1);
  return telling?.slice(0, 300) || "it said nothing";
}

/** How long one look may take: a busy machine answers late, and is asked again anyway. */
const lookLimitMs = 5_000;
/** How long an engine or a process may take to start, on a machine that has other work too; milliseconds. */
export const startLimitMs = 180_000;

/** Whether somebody accepts connections there; answers within 5 s. */
export async function acceptsConnections(host: string, port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port, timeout: lookLimitMs });
    const answer = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(false));
    socket.once("timeout", () => answer(false));
  });
}

/** Whether that URL answers with a status the test accepts, within 5 s. */
export async function answers(url: string, accept: (status: number, body: string) => boolean): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(lookLimitMs) });
    return accept(response.status, await response.text());
  } catch {
    return false;
  }
}
