import { createRequire } from "node:module";

/**
 * kafkajs 2.2.4 re-arms a timer per broker connection about 900 times a second while idle, and with a negative delay on Node 24.
 * There is nothing to check while nothing is pending. Imported for its effect, before a client is made.
 */
const requestQueue = createRequire(import.meta.url)("kafkajs/src/network/requestQueue") as {
  prototype: { scheduleCheckPendingRequests(): void; pending: unknown[] };
};
const original = requestQueue.prototype.scheduleCheckPendingRequests;
requestQueue.prototype.scheduleCheckPendingRequests = function scheduleWhenPending(
  this: typeof requestQueue.prototype,
) {
  if (this.pending.length > 0) original.call(this);
};
