import { createEscapeFilter } from "../../../../src/text/escape-sequences.ts";
import { cutText } from "../../../../src/text/strangers-text.ts";
import { createBoundedLog } from "../bounded-log.ts";
import type { Redactor } from "../redact.ts";
import type { Tell } from "../step-end.ts";

/** Standard output and error of a box, as a log and as events of the run. */
export interface OutputLines {
  readonly onStdout: (chunk: Buffer) => Promise<void>;
  readonly onStderr: (chunk: Buffer) => Promise<void>;
  /** Tells what is left. @returns the log */
  end(): Promise<Buffer>;
  /** The last line that is not blank, to be shown in a reason; at most 300 characters. */
  lastLine(): string;
}

const eventEveryMs = 100;
/** UTF-16 units of one event's text, so that it has less than 64 KiB as JSON, whatever its characters are. */
const eventUnits = 16_000;
const mostEvents = 2_000;
const mostUnits = 4 * 1024 * 1024;
const partialBytes = 64 * 1024;

/**
 * Keeps what a program prints, redacted: in the log (4 MiB; of more, the middle is left out), and in at most 10 events a second of 16,000 characters each. What doesn't fit into an
 * event is left out there and marked `truncated`.
 */
export function createOutputLines(deps: {
  readonly stepId: string;
  readonly redactor: Redactor;
  readonly tell: Tell;
  readonly now: () => Date;
}): OutputLines {
  const log = createBoundedLog();
  let waiting = "";
  let truncated = false;
  let lastLine = "";
  let told = { events: 0, units: 0, atMs: Number.NEGATIVE_INFINITY, isOver: false };
  let telling: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  const add = (lines: string) => {
    const text = deps.redactor.text(lines.includes("\r") ? lines.split("\n").map(afterReturn).join("\n") : lines);
    const written = text.trimEnd();
    if (written !== "") lastLine = written.slice(written.lastIndexOf("\n") + 1);
    const room = eventUnits - waiting.length;
    if (text.length < room) waiting += `${text}\n`;
    else {
      truncated = true;
      if (room > 1) waiting += `${cutText(text, room - 1)}\n`;
    }
  };

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const message = { text: waiting.replace(/\n$/, ""), stepId: deps.stepId, ...(truncated ? { truncated } : {}) };
    const isBlank = message.text.trim() === "" && !truncated;
    waiting = "";
    truncated = false;
    if (told.isOver || isBlank) return;
    const isOver = told.events + 1 >= mostEvents || told.units + message.text.length > mostUnits;
    told = { events: told.events + 1, units: told.units + message.text.length, atMs: deps.now().getTime(), isOver };
    const last = {
      text: "it prints more than is shown here; the rest is in its log",
      stepId: deps.stepId,
      truncated: true,
    };
    telling = telling.then(() => deps.tell({ message: isOver ? last : message }));
    telling.catch(() => undefined); // the next `push` or `end` throws it
  };

  const streamOf = () => {
    const redactor = deps.redactor.stream();
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    const filter = createEscapeFilter();
    let partial: Buffer[] = [];
    let partialLength = 0;
    const take = (bytes: Buffer, isLast: boolean) => {
      const end = bytes.lastIndexOf(0x0a) + 1;
      const kept = bytes.byteLength - end + (end === 0 ? partialLength : 0);
      const whole = isLast || kept > partialBytes ? bytes.byteLength : end;
      if (whole === 0 && !isLast) {
        partial.push(bytes);
        partialLength += bytes.byteLength;
        return;
      }
      const lines = Buffer.concat([...partial, bytes.subarray(0, whole)]);
      partial = [bytes.subarray(whole)];
      partialLength = bytes.byteLength - whole;
      if (lines.byteLength === 0) return;
      log.append(lines);
      const text = filter.push(decoder.decode(lines, { stream: !isLast }));
      add(text.endsWith("\n") ? text.slice(0, -1) : text);
      const dueMs = told.atMs + eventEveryMs - deps.now().getTime();
      if (dueMs <= 0) flush();
      else timer ??= setTimeout(flush, Math.min(dueMs, eventEveryMs)); // the host's clock may be set back
    };
    return {
      push: async (chunk: Buffer) => {
        take(redactor.push(chunk), false);
        await telling;
      },
      end: () => take(redactor.end(), true),
    };
  };
  const streams = { stdout: streamOf(), stderr: streamOf() };

  return {
    onStdout: streams.stdout.push,
    onStderr: streams.stderr.push,
    async end() {
      streams.stdout.end();
      streams.stderr.end();
      flush();
      await telling;
      return log.bytes();
    },
    lastLine: () => cutText(lastLine.trim(), 300),
  };
}

/** What a terminal shows of a line with carriage returns, as progress bars write them. */
function afterReturn(line: string): string {
  let end = line.length;
  while (line[end - 1] === "\r") end -= 1;
  return line.slice(end === 0 ? 0 : line.lastIndexOf("\r", end - 1) + 1, end);
}
