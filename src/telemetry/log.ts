import type { Logger, LoggerOptions } from "pino";
import { pino } from "pino";
import { visibleJson } from "../text/strangers-text.ts";

export type Log = Logger;

/** One JSON object a line on stdout, in which nothing moves or hides what stands around it. Names that carry credentials are never written, wherever they stand. */
export function createLog(process: string, level: string): Log {
  const stdout = pino.destination({ sync: true });
  const settings: LoggerOptions = {
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ["token", "authorization", "password", "secret", "*.token", "*.authorization", "*.password", "*.secret"],
      censor: "[redacted]",
    },
  };
  return pino(settings, { write: (line) => stdout.write(visibleJson(line)) });
}
