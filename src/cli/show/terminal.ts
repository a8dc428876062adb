import { styleText } from "node:util";
import { visible, visibleJson } from "../../text/strangers-text.ts";
import { createLiveLines } from "../progress.mjs";

/** All output of commands passes here: control and invisible characters are escaped as `\\x1b` or `\\u202e`, whoever wrote it. */

const sequenceStart = "\u001b[";

let endsWithReader = true;

/** Ends the command quietly when the reader of its output goes away (`| head`). */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw Object.assign(error, { path: "standard output" });
      if (endsWithReader) process.exit(0);
    });
  }
}

/** Keeps the command running when the reader of its output goes away. */
export function outliveReader(): void {
  endsWithReader = false;
}

/** Progress lines at the bottom of standard output, on a terminal; everything else is printed above them. */
export const liveLines = createLiveLines(process.stdout);

function printed(write: () => void): void {
  if (liveLines === undefined) write();
  else liveLines.above(write);
}

/** Prints lines on standard output; escape sequences are escaped, except colours on a terminal that has them. */
export function print(text: string): void {
  const whole = hasColours() ? text.split(sequenceStart).map(colourOrText).join("") : shown(text);
  printed(() => console.log(whole));
}

/** Prints lines on standard error, without colours. */
export function printError(text: string): void {
  printed(() => console.error(shown(text)));
}

/** @returns JSON of the value on one line, or indented */
export function jsonText(value: unknown, indent?: number): string {
  return visibleJson(JSON.stringify(value, undefined, indent));
}

/** @returns columns of the terminal that standard output is, undefined when it is none */
export function terminalWidth(): number | undefined {
  return process.stdout.isTTY ? process.stdout.columns || undefined : undefined;
}

/** Colours a text when standard output is a terminal and NO_COLOR is not set. */
export function tint(format: "red" | "green" | "yellow" | "dim" | "bold", text: string): string {
  return styleText(format, text, { stream: process.stdout });
}

const hasColours = () => tint("bold", "x") !== "x";

function colourOrText(part: string, index: number): string {
  const colour = index === 0 ? "" : (/^\d{1,2}m/.exec(part)?.[0] ?? "");
  const start = index > 0 ? (colour === "" ? visible(sequenceStart) : sequenceStart) : "";
  return `${start}${colour}${shown(part.slice(colour.length))}`;
}

/** Decodes bytes piece by piece, and escapes what a terminal would obey. */
export async function* visiblePieces(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  for await (const piece of pieces) yield shown(decoder.decode(piece, { stream: true }));
  yield shown(decoder.decode());
}

/** Output of commander: help only; its errors are reported like all others. */
export const commandOutput = {
  outputError: () => {},
  writeOut: (text: string) => void process.stdout.write(shown(text)),
  writeErr: (text: string) => void process.stderr.write(shown(text)),
};

/** @returns the text with control and invisible characters escaped, except line ends and tabs */
function shown(text: string): string {
  return text
    .split(/([\n\t])/)
    .map((part, index) => (index % 2 === 1 ? part : visible(part)))
    .join("");
}
