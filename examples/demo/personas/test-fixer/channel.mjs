import { writeSync } from "node:fs";

/** One line of run-events/1; without a channel, as when it is started by hand, lines go to standard output. */
export function send(type, fields) {
  const line = Buffer.from(`${JSON.stringify({ type, ...fields })}\n`);
  const descriptor = Number(process.env.RUN_EVENTS_FD ?? 1);
  for (let at = 0; at < line.length; ) at += writeSync(descriptor, line, at);
}
