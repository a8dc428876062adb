import { setImmediate as breathe } from "node:timers/promises";
import { withoutEscapes } from "../../../../src/text/escape-sequences.ts";
import { cutText } from "../../../../src/text/strangers-text.ts";
import type { Redactor } from "../redact.ts";
import type { Tell } from "../step-end.ts";
import { readChannelLine } from "./channel-line.ts";
import type { Line } from "./split-lines.ts";
import { createSplitLines } from "./split-lines.ts";

/** Reads a persona's channel, `run-events/1`. */
export interface RunEvents {
  readonly onChannel: (chunk: Buffer) => Promise<void>;
  /** Reads the last line and tells what was left out. */
  end(): Promise<Said>;
}

/** Everything that a persona sent until it ended. */
export interface Said {
  /** Its results, of which there must be at most one: the first as JSON, redacted, the others empty. */
  readonly results: readonly string[];
  /** Its last message; empty: none. */
  readonly lastMessage: string;
  /** Type of the event with which it spoke for the host, if it did. */
  readonly forged: string | undefined;
  /** The events as they were told, NDJSON. */
  readonly transcript: Buffer;
}

const lineBytes = 64 * 1024;
const eventsPerSecond = 200;
const burstEvents = 400;
const mostEvents = 5_000;
const mostBytes = 8 * 1024 * 1024;
/** Reading a line costs the worker more than writing it costs a persona, so lines are limited. */
const mostLines = 100_000;
/** UTF-16 units that are shown of a line that is too long. */
const cutLineUnits = 16_000;
/** After so many lines the thread handles other messages first. */
const linesPerTurn = 256;

/**
 * Reads the channel: events are told in order, each when the one before was taken. A line over 64 KiB is shown cut. Left out are lines that can't be read, and events beyond 200 a second
 * (400 at once), 5,000 or 8 MiB; a message marked `truncated` says so at the end. After 100,000 lines, or after an event that only the host may send, nothing is read any more.
 * @param deps.onForged - called once; the box should end
 */
export function createRunEvents(deps: {
  readonly stepId: string;
  readonly redactor: Redactor;
  readonly tell: Tell;
  readonly now: () => Date;
  readonly onForged: () => void;
}): RunEvents {
  const { stepId, redactor } = deps;
  const lines = createSplitLines(lineBytes);
  const transcript: string[] = [];
  const results: string[] = [];
  let lastMessage = "";
  let forged: string | undefined;
  let read = 0;
  let dropped = { count: 0, first: "" };
  let over = 0;
  let told = { events: 0, bytes: 0 };
  let allowance = { events: burstEvents, atMs: deps.now().getTime() };

  const mayTell = (bytes: number): boolean => {
    const atMs = deps.now().getTime();
    const passedMs = Math.max(0, atMs - allowance.atMs); // the host's clock may be set back
    const grown = allowance.events + (passedMs * eventsPerSecond) / 1_000;
    allowance = { events: Math.min(burstEvents, grown), atMs };
    if (allowance.events < 1 || told.events >= mostEvents || told.bytes + bytes > mostBytes) return false;
    allowance = { events: allowance.events - 1, atMs };
    told = { events: told.events + 1, bytes: told.bytes + bytes };
    return true;
  };

  const say = async (event: Parameters<Tell>[0]) => {
    transcript.push(JSON.stringify(event));
    await deps.tell(event);
  };

  const offer = async (event: Parameters<Tell>[0]) => {
    if (event.message?.text !== undefined) lastMessage = event.message.text;
    if (mayTell(Buffer.byteLength(JSON.stringify(event)))) await say(event);
    else over += 1;
  };

  const drop = (fault: string) => {
    dropped = { count: dropped.count + 1, first: dropped.first || `line ${read} ${fault}` };
  };

  const takeResult = (result: unknown) => {
    if (results.length > 0) return void results.push(""); // one too many: counted, but not kept
    try {
      results.push(redactor.text(JSON.stringify(result) ?? "null"));
    } catch {
      results.push(""); // nested too deep to be written as JSON
    }
  };

  const take = async ({ bytes, isCut }: Line) => {
    read += 1;
    if (forged !== undefined || bytes.byteLength === 0) return;
    if (read > mostLines) {
      over += 1;
      return;
    }
    if (isCut) {
      const text = cutText(redactor.text(withoutEscapes(bytes.toString())), cutLineUnits);
      return await offer({ message: { text, stepId, truncated: true } });
    }
    const line = readChannelLine(bytes, stepId, redactor.text);
    switch (line.kind) {
      case "event":
        return await offer(line.event);
      case "result":
        return takeResult(line.result);
      case "dropped":
        return drop(line.fault);
      case "forged":
        forged = line.type;
        deps.onForged();
    }
  };

  const takeAll = async (some: Iterable<Line>) => {
    for (const line of some) {
      await take(line);
      if (read % linesPerTurn === 0) await breathe();
    }
  };

  return {
    onChannel: (chunk) => takeAll(lines.push(chunk)),
    async end() {
      await takeAll(lines.end());
      const note = (text: string) => say({ message: { text, stepId, truncated: true } });
      if (dropped.count > 0)
        await note(`lines left out that are not events a persona may send: ${dropped.count}; ${dropped.first}`);
      if (over > 0)
        await note(
          `events left out because they were too many: ${over}; taken are ${eventsPerSecond} a second, ${mostEvents} and ${mostBytes} bytes in all`,
        );
      for (const result of results) if (result !== "") transcript.push(`{"type":"result","result":${result}}`);
      return { results, lastMessage, forged, transcript: Buffer.from(transcript.map((line) => `${line}\n`).join("")) };
    },
  };
}
