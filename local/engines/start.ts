import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { EngineError } from "./error.ts";
import { isFree } from "./ports.ts";
import type { EngineProcess, EngineProcessOptions } from "./process.ts";
import { startProcess } from "./process.ts";
import { waitUntil } from "./wait-until.ts";

/**
 * Starts a program that listens on `port` of the loopback address, after checking that the port is free, and waits until `ready` is true. When it ends before or does not answer, it is stopped and the end of its log is shown.
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
 * The line of a log that most likely tells the cause: the last with an error, else the last; cut to 300 characters.
 * @param from - where the program began to write, in bytes
 */
export function tellingLine(logFile: string, from: number): string {
  const lines = readFileSync(logFile).subarray(from).toString("utf8").trimEnd().split("\n");
  const telling = lines.findLast((line) => /error|fatal|exception/i.test(line) && !/^\s/.test(line)) ?? lines.at(-1);
  return telling?.slice(0, 300) || "it said nothing";
}

/** Limit of one check; it is repeated anyway. */
const lookLimitMs = 5_000;
/** Limit for the start of an engine or process on a busy machine, milliseconds. */
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
