import type { LimitHitJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import type { WorkEventJson } from "../../../src/gen/workflows_runtime/v1/work_event_pb.ts";
import type { BoxEnd } from "../sandbox/sandbox.ts";

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
  /** The events of a persona's channel, as they were told: NDJSON. */
  readonly transcript?: Buffer;
}

/** Takes an event of a step. Settles when the next one may come; until then the box waits. */
export type Tell = (event: Omit<WorkEventJson, "n">) => Promise<void>;

/** A step that did not end by its program's own exit code. */
export type Forced = Pick<StepEnd, "cause" | "reason" | "limit">;

const policyField: Readonly<Record<string, string>> = {
  memory: "memory_bytes",
  processes: "processes",
  output: "output_bytes",
  disk: "disk_bytes",
  time: "step_time",
  idle: "idle_time",
};

/**
 * Says what ended a box from outside. A limit goes before a stop, since it may have caused the stop.
 * @returns undefined when its program ended by itself, also by a signal
 */
export function forcedEnd({ limit, isStopped }: BoxEnd): Forced | undefined {
  if (limit !== undefined)
    return { cause: limit.name === "idle" ? "stalled" : "limit_exceeded", reason: describeLimit(limit), limit };
  if (isStopped) return { cause: "stopped", reason: "it was stopped before it had ended" };
  return undefined;
}

/** @returns for example `ended with exit code 1`, `was ended by SIGSEGV` */
export function describeExit({ exitCode, signal }: BoxEnd): string {
  return exitCode === undefined ? `was ended by ${signal ?? "a signal"}` : `ended with exit code ${exitCode}`;
}

function describeLimit({ name = "", mechanism = "", limit = "0", peak = "0" }: LimitHitJson): string {
  const field = policyField[name] ?? name;
  const rule = `limits.${field} of the policy, ${mechanism}`;
  if (name === "idle")
    return `it said nothing and used no CPU for ${amountOf(name, peak)}; ${amountOf(name, limit)} are allowed (${rule}): let it say how far it is, or raise the limit`;
  return `it met its limit of ${name}: ${amountOf(name, limit)} are allowed, ${amountOf(name, peak)} were seen (${rule}); let it need less, or raise the limit`;
}

function amountOf(name: string, value: string): string {
  const amount = Number(value);
  if (name === "processes") return `${amount} processes`;
  if (name === "time" || name === "idle") return `${amount / 1_000} s`;
  return amount < 1024 * 1024 ? `${amount} bytes` : `${Math.round((amount / 1024 / 1024) * 10) / 10} MiB`;
}
