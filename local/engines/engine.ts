import type { EngineProcess } from "./process.ts";

/** Where an engine keeps its things, and who hears of its progress. */
export interface EngineOptions {
  /** Folder of its data; made when missing, kept between starts. */
  dataDir: string;
  logFile: string;
  pidsDir: string;
  /** Ends the start; a running engine is ended by `stop`. */
  signal: AbortSignal;
}

/** A running engine; `address` is HOST:PORT of its main port. */
export interface Engine extends EngineProcess {
  address: string;
}

export const loopback = "127.0.0.1";

/** The environment that every engine gets. */
export function engineEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, LANG: "C.UTF-8" };
}
