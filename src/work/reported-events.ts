import { toJson } from "@bufbuild/protobuf";
import type { WorkEvent, WorkEventJson } from "../gen/workflows_runtime/v1/work_event_pb.ts";
import { WorkEventSchema } from "../gen/workflows_runtime/v1/work_event_pb.ts";
import type { EventDraft } from "../runs/stream/chain-events.ts";
import { canonicalJson } from "../text/canonical-json.ts";
import { storableJson } from "../text/strangers-text.ts";
import type { SegmentAttempt } from "./late-attempt.ts";

/** A worker's event that is refused, and with it the whole batch. */
export class InvalidEventError extends Error {
  override readonly name = "InvalidEventError";
  readonly code = "invalid_event";
  readonly n: string;
  constructor(n: bigint, rule: string) {
    super(`event n ${n} ${rule}`);
    this.n = String(n);
  }
}

/** Largest event, bytes of its RFC 8785 JSON. */
const largestEventBytes = 64 * 1024;

/**
 * Turns a worker's events into drafts. Their writer keys are its own numbers within its attempt. Characters that Postgres can't store are replaced: a persona may send any text.
 * @throws InvalidEventError
 */
export function draftWorkEvents(
  events: readonly WorkEvent[],
  generation: number,
  { segment, number }: SegmentAttempt,
): EventDraft[] {
  let last = 0n;
  return events.map((event) => {
    if (event.n <= last) throw new InvalidEventError(event.n, `comes after n ${last}; send events in the order of n`);
    last = event.n;
    const { n, ...payload } = storableJson<WorkEventJson>(toJson(WorkEventSchema, event));
    const bytes = Buffer.byteLength(canonicalJson(payload));
    if (bytes > largestEventBytes)
      throw new InvalidEventError(
        event.n,
        `has ${bytes} bytes; ${largestEventBytes} are allowed: cut the text and say that it is truncated`,
      );
    return { writerKey: `work/${generation}/${segment}/${number}/${n}`, ...payload };
  });
}
