import { writeSync } from "node:fs";

/** Writes to a descriptor until all is written; a full pipe is waited for. */
export function write(descriptor, bytes) {
  let rest = Buffer.from(bytes);
  while (rest.byteLength > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

export function say(type, fields) {
  write(Number(process.env.RUN_EVENTS_FD), `${JSON.stringify({ type, ...fields })}\n`);
}
