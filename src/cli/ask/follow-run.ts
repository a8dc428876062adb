import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ApiClient } from "../../client/api-client.ts";
import type { RunEvent } from "../../gen/automation/v1/run_event_pb.ts";
import { RunStatus } from "../../gen/automation/v1/run_event_pb.ts";
import { CliError } from "../cli-error.ts";

/** Failures in a row before giving up: few when the api never answered, more when it did. */
const firstAttemptLimit = 2;
const attemptLimit = 10;
const firstPauseMs = 200;
const longestPauseMs = 3_000;
/** The api sends a heartbeat every 10 s; a connection that is silent for longer counts as lost. */
const silenceLimitMs = 30_000;

const lasting: readonly Code[] = [
  Code.InvalidArgument,
  Code.NotFound,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.Unimplemented,
  Code.FailedPrecondition,
];

const ends: readonly RunStatus[] = [RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.TIMED_OUT];

export interface FollowOptions {
  readonly runId: string;
  /** Only events with a greater sequence are passed on. */
  readonly after: bigint;
  readonly signal: AbortSignal;
  readonly onEvent: (event: RunEvent) => void;
  /** The connection was lost and is being restored after `lastSequence`; called once per loss. */
  readonly onReconnect: (lastSequence: bigint, why: string) => void;
}

/**
 * Passes on each event of a run once, in order, until the run ends. After a lost connection it continues from the last sequence.
 * @returns the end of the run
 * @throws ConnectError when the api refuses · CliError 3 when it stays away · the signal's reason
 */
export async function followRun(api: Pick<ApiClient, "workflows">, options: FollowOptions): Promise<RunStatus> {
  const { runId, signal, onEvent, onReconnect } = options;
  let last = options.after;
  let failures = 0;
  let limit = firstAttemptLimit;
  for (;;) {
    signal.throwIfAborted();
    const connection = new AbortController();
    let watchdog = setTimeout(() => connection.abort(), silenceLimitMs);
    try {
      const stream = api.workflows.watchWorkflowRun(
        { runId, afterSequence: last },
        { signal: AbortSignal.any([signal, connection.signal]), timeoutMs: 0 },
      );
      for await (const { update } of stream) {
        failures = 0;
        limit = attemptLimit;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => connection.abort(), silenceLimitMs);
        if (update.case !== "event" || update.value.sequence <= last) continue;
        last = update.value.sequence;
        onEvent(update.value);
        const { payload } = update.value;
        if (payload.case === "status" && ends.includes(payload.value.status)) return payload.value.status;
      }
      const { run } = await api.workflows.describeWorkflowRun({ runId }, { signal });
      if (run !== undefined && ends.includes(run.status) && run.lastSequence <= last) return run.status;
      throw new ConnectError("the stream ended before the run", Code.Unavailable);
    } catch (error) {
      signal.throwIfAborted();
      const failure = ConnectError.from(error);
      if (lasting.includes(failure.code)) throw failure;
      failures += 1;
      if (failures > limit) {
        const message = `the api can't be reached to watch run ${runId} after sequence ${last}: ${failure.rawMessage}; \`automation run watch ${runId} --after ${last}\` goes on`;
        throw new CliError(3, message, { cause: failure });
      }
      if (failures === 1) onReconnect(last, failure.rawMessage);
      const hintedMs = 1_000 * Number(failure.metadata.get("retry-after"));
      const pauseMs = hintedMs || firstPauseMs * 2 ** (failures - 1);
      await sleep(Math.min(longestPauseMs, pauseMs), undefined, { signal });
    } finally {
      clearTimeout(watchdog);
      connection.abort();
    }
  }
}
