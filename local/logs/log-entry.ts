import { plain } from "../../src/cli/show/output.ts";
import { tint } from "../../src/cli/show/terminal.ts";
import { cutText, visibleJson } from "../../src/text/strangers-text.ts";

export const levels = ["debug", "info", "warn", "error", "fatal"] as const;
export type Level = (typeof levels)[number];

/** One entry of a process's log: a JSON object or a line of text, with the lines that belong to it. */
export interface LogEntry {
  readonly process: string;
  /** Milliseconds since 1970; of the entry before it when it says none. */
  readonly at: number | undefined;
  readonly level: Level;
  /** Indented lines below it: a stack, a statement. */
  readonly more: string[];
  readonly line: string;
  readonly json: Readonly<Record<string, unknown>> | undefined;
}

const longestLine = 4_000;

/** Reads the lines of one log, some at a time, in their order; what is indented belongs to the entry before it. */
export function createEntryReader(process: string): (lines: readonly string[]) => LogEntry[] {
  let at: number | undefined;
  return (lines) => {
    const entries: LogEntry[] = [];
    for (const line of lines) {
      if (line.trim() === "") continue;
      const json = objectOf(line);
      const last = entries.at(-1);
      if (json === undefined && last !== undefined && /^[\s}]/.test(line)) {
        last.more.push(line);
        continue;
      }
      at = timeOf(json, line) ?? at;
      const level = json === undefined ? levelOfText(line) : levelOf(json.level);
      entries.push({ process, at, level, more: [], line, json });
    }
    return entries;
  };
}

function objectOf(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const textTime = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?) ?(?:UTC|(Z|[+-]\d\d:?\d\d)?) ?/;

function timeOf(json: LogEntry["json"], line: string): number | undefined {
  const [, day, time, zone = "Z"] = textTime.exec(line) ?? [];
  const said = json?.time ?? json?.ts ?? (day === undefined ? undefined : `${day}T${time?.replace(",", ".")}${zone}`);
  const at = typeof said === "number" ? said : Date.parse(String(said));
  return Number.isFinite(at) ? at : undefined;
}

/** Pino's numbers, or a name. */
function levelOf(said: unknown): Level {
  if (typeof said === "number") return levels[Math.min(Math.max(Math.floor(said / 10) - 2, 0), 4)] ?? "info";
  return levels.find((level) => level === String(said).toLowerCase()) ?? "info";
}

const textLevels: Readonly<Record<string, Level>> = { DEBUG: "debug", WARN: "warn", WARNING: "warn" };
const severe: Readonly<Record<string, Level>> = { ERROR: "error", FATAL: "fatal", PANIC: "fatal" };

function levelOfText(line: string): Level {
  const word = /\b(?:DEBUG|WARN|WARNING|ERROR|FATAL|PANIC)\b/.exec(line.slice(0, 200))?.[0] ?? "";
  return textLevels[word] ?? severe[word] ?? "info";
}

/** @returns an entry as one JSON object on a line, as it was written when it is one */
export function jsonLine({ process, at, level, line, more, json }: LogEntry): string {
  if (json !== undefined) return visibleJson(line);
  const time = at === undefined ? undefined : new Date(at).toISOString();
  return visibleJson(JSON.stringify({ level, time, process, msg: [line, ...more].join("\n") }));
}

const colourOf: Partial<Record<Level, "red" | "yellow" | "dim">> = {
  debug: "dim",
  warn: "yellow",
  error: "red",
  fatal: "red",
};

/** @returns an entry for people: UTC, process, level, message, `field=value`; lines that belong to it indented below */
export function prettyLines(
  { process, at, level, line, more, json }: LogEntry,
  width: number,
  today: string,
): string[] {
  const iso = at === undefined ? "" : new Date(at).toISOString();
  const time = iso.startsWith(today) ? iso.slice(11, 23) : iso.slice(0, 23).replace("T", " ");
  const colour = colourOf[level];
  const shown = level.toUpperCase().padEnd(5);
  const head = `${tint("dim", time.padEnd(12))}  ${plain(process).padEnd(width)}  ${colour === undefined ? shown : tint(colour, shown)}`;
  const { text, stack } = json === undefined ? { text: line.replace(textTime, ""), stack: [] } : messageOf(json);
  return [
    `${head}  ${cutText(plain(text), longestLine)}`,
    ...[...stack, ...more].map((below) => `    ${cutText(plain(below), longestLine)}`),
  ];
}

const shownElsewhere = new Set(["level", "time", "ts", "process", "name", "hostname", "pid", "msg", "v"]);

function messageOf(json: NonNullable<LogEntry["json"]>): { text: string; stack: readonly string[] } {
  const fields = Object.entries(json).filter(([name]) => !shownElsewhere.has(name));
  const { stack = "" } = (typeof json.err === "object" && json.err !== null ? json.err : {}) as { stack?: unknown };
  const text = [
    ...(json.msg === undefined ? [] : [String(json.msg)]),
    ...fields.map(([name, value]) => {
      const shown = name === "err" && stack !== "" ? (String(stack).split("\n")[0] ?? "") : value;
      return `${name}=${typeof shown === "string" && /^[^\s"=]+$/.test(shown) ? shown : JSON.stringify(shown)}`;
    }),
  ].join("  ");
  return { text, stack: String(stack).split("\n").slice(1) };
}
