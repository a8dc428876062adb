import type {
  CommitSealResponseJson,
  DeliverHandoffResponseJson,
} from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import type { InRun } from "../../runs/in-run.ts";
import { draftRun } from "../../runs/run-draft.ts";
import { assertOpen } from "../../runs/run-status.ts";
import { assertSpeaksFor } from "../../runs/speaker.ts";
import { handoffSpan, sealSpan } from "../../telemetry/run-spans.ts";
import type { SealScope } from "../run-so-far.ts";
import { desiredStateOf } from "../run-so-far.ts";
import { findSeal } from "../seal-store.ts";
import type { CallRow } from "./handoff-store.ts";
import { listCalls } from "./handoff-store.ts";
import type { Receivers } from "./receivers.ts";
import type { Answered } from "./record-answers.ts";
import { recordAnswers } from "./record-answers.ts";
import { noteWaiting } from "./wait-for-receiver.ts";

/** Tries that the caller has just stored. */
export interface FreshTries {
  readonly tries: readonly CallRow[];
  /** Records the answers and ends the run in one transaction, when all tries are acknowledged; undefined: it did neither. */
  readonly commit: (answered: readonly Answered[]) => Promise<CommitSealResponseJson | undefined>;
}

export interface Delivered {
  readonly answer: DeliverHandoffResponseJson;
  /** Of fresh tries, when they were all acknowledged. */
  readonly commit?: CommitSealResponseJson;
}

export interface DeliverHandoffDeps {
  readonly inRun: InRun;
  readonly receivers: Receivers;
  readonly now: () => Date;
}

/**
 * Sends every try without an answer once, as far as its receiver has room, outside any transaction, and reports the progress of all tries. Nothing is sent after a cancel or after the end.
 * @param fresh - else the tries are read
 * @throws UnknownRunError, SupersededExecutionError, RunEndedError
 */
export function createDeliverHandoff(deps: DeliverHandoffDeps) {
  const sendAll = async (calls: readonly CallRow[], signal: AbortSignal): Promise<Answered[]> => {
    const sent = await Promise.all(
      calls.map(async (call) => ({
        call,
        answer: await handoffSpan(call, undefined, () => deps.receivers.send(call, signal)),
      })),
    );
    return sent.filter((each): each is Answered => each.answer.state !== "HELD_BACK");
  };

  return async (scope: SealScope, signal: AbortSignal, fresh?: FreshTries): Promise<Delivered> => {
    if (fresh === undefined) {
      const { tries, isOpen, desiredState } = await readTries(deps.inRun, scope);
      const due = isOpen ? tries.filter((call) => call.state === "DUE") : [];
      if (due.length === 0) return { answer: { ...progressOf(tries), desiredState } };
      return { answer: await record(deps, scope, await sendAll(due, signal)) };
    }
    const answered = await sealSpan("hand over", () => sendAll(fresh.tries, signal));
    const isAcknowledged =
      answered.length === fresh.tries.length && answered.every(({ answer }) => answer.state === "ACKNOWLEDGED");
    const commit = isAcknowledged ? await fresh.commit(answered) : undefined;
    if (commit === undefined) return { answer: await record(deps, scope, answered) };
    return { answer: { progress: "HANDOFF_PROGRESS_ACCEPTED", desiredState: "DESIRED_STATE_RUN" }, commit };
  };
}

function readTries(inRun: InRun, scope: SealScope) {
  return inRun(scope, async (open) => {
    assertSpeaksFor(open.run, scope.execution);
    assertOpen(open.run);
    const [seal, calls] = await Promise.all([
      findSeal(open.transaction, scope.tenant, scope.runId),
      listCalls(open.transaction, scope.tenant, scope.runId),
    ]);
    const isOpen = seal?.state === "PREPARED" && open.run.desiredState === "RUN";
    return { tries: calls.filter(isTry), isOpen, desiredState: desiredStateOf(open) };
  });
}

function record(
  { inRun, receivers, now }: DeliverHandoffDeps,
  scope: SealScope,
  answered: readonly Answered[],
): Promise<DeliverHandoffResponseJson> {
  return inRun(scope, async (open) => {
    const at = now();
    const draft = draftRun(open.run, open.head, at);
    await recordAnswers(open, draft, answered, at);
    await open.write(draft);
    const tries = (await listCalls(open.transaction, scope.tenant, scope.runId)).filter(isTry);
    if (!open.closed) await noteWaiting(open, tries, (receiver) => receivers.retryAt(receiver), at);
    return { ...progressOf(tries), desiredState: desiredStateOf(open) };
  });
}

/** REFUSED when any try is refused, else PENDING when any has no answer, else ACCEPTED; also without tries. */
export function progressOf(
  tries: readonly Pick<CallRow, "state" | "rpc" | "lastError">[],
): Pick<DeliverHandoffResponseJson, "progress" | "reason"> {
  const refused = tries.find((call) => call.state === "REFUSED");
  if (refused !== undefined)
    return { progress: "HANDOFF_PROGRESS_REFUSED", reason: `${refused.rpc}: ${refused.lastError}` };
  const isPending = tries.some((call) => call.state !== "ACKNOWLEDGED");
  return { progress: isPending ? "HANDOFF_PROGRESS_PENDING" : "HANDOFF_PROGRESS_ACCEPTED" };
}

const isTry = (call: CallRow): boolean => call.phase === "TRY";
