import type { LimitHitJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { WorkEventJson } from "../../../src/gen/workflows_runtime/v1/work_event_pb.ts";

/** How a step that ran in a box ended. */
export interface StepEnd {
  readonly state: "STEP_STATE_DONE" | "STEP_STATE_FAILED";
  /** Of its main process; absent when a signal ended it. */
  readonly exitCode?: number;
  /** Empty when done: `step_failed`, `gave_up`, `needs_human`, `limit_exceeded`, `stalled`, `invalid_result`, `protocol_error`, `stopped`. */
  readonly cause: string;
  /** For people, redacted. */
  readonly reason: string;
  /** The limit that ended it. */
  readonly limit?: LimitHitJson;
  /** Standard output and error, redacted, at most 4 MiB. */
  readonly log: Buffer;
  /** What a persona said on its channel, as it was told: NDJSON. */
  readonly transcript?: Buffer;
}

/** Takes an event of a step; settles when the next one may come: until then the box that speaks waits. */
export type Tell = (event: Omit<WorkEventJson, "n">) => Promise<void>;
