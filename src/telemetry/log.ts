import type { Logger, LoggerOptions } from "pino";
import { pino } from "pino";
import { visibleJson } from "../text/strangers-text.ts";
import { openSpanIds } from "./spans.ts";

export type Log = Logger;

/** Logs one JSON object per line to stdout. Invisible characters are escaped; fields with names of credentials are redacted. */
export function createLog(process: string, level: string): Log {
  const stdout = pino.destination({ sync: true });
  const settings: LoggerOptions = {
    level,
    base: { process },
    timestamp: pino.stdTimeFunctions.isoTime,
    mixin: openSpanIds,
    redact: {
      paths: ["token", "authorization", "password", "secret", "*.token", "*.authorization", "*.password", "*.secret"],
      censor: "[redacted]",
    },
  };
  return pino(settings, { write: (line) => stdout.write(visibleJson(line)) });
}
