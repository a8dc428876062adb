import type { RefJson } from "../../gen/automation/v1/ref_pb.ts";
import type { DeliverHandoffResponseJson } from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { fileReferences } from "../../methodology/context-references.ts";
import { methodologyOf } from "../../methodology/methodologies.ts";
import type { CallAnswer } from "../../methodology/methodology.ts";
import type { InRun } from "../../runs/in-run.ts";
import { updateReferences } from "../../runs/run-reference-store.ts";
import { assertOpen } from "../../runs/run-status.ts";
import { assertSpeaksFor } from "../../runs/speaker.ts";
import type { EventDraft } from "../../runs/stream/chain-events.ts";
import { handoffSpan } from "../../telemetry/run-spans.ts";
import type { SealScope } from "../run-so-far.ts";
import { desiredStateOf } from "../run-so-far.ts";
import { findSeal } from "../seal-store.ts";
import type { CallRow } from "./handoff-store.ts";
import { listCalls, recordAnswer, recordSilence } from "./handoff-store.ts";
import type { Receivers } from "./receivers.ts";
import { noteWaiting } from "./wait-for-receiver.ts";

/**
 * Sends every try without an answer once, as far as its receiver has room, outside any transaction, and reports the progress of all tries. The first answer to a call is final and becomes an event;
 * ids that the receiver returned are added to the run's references by their kinds. Nothing is sent after a cancel or after the end.
 * @param fresh - the tries, when the caller has just stored them; else they are read
 * @throws UnknownRunError, SupersededExecutionError, RunEndedError
 */
export function createDeliverHandoff(deps: {
  readonly inRun: InRun;
  readonly receivers: Receivers;
  readonly now: () => Date;
}) {
  const readTries = (scope: SealScope) =>
    deps.inRun(scope, async (open) => {
      assertSpeaksFor(open.run, scope.execution);
      assertOpen(open.run);
      const [seal, calls] = await Promise.all([
        findSeal(open.transaction, scope.tenant, scope.runId),
        listCalls(open.transaction, scope.tenant, scope.runId),
      ]);
      const isOpen = seal?.state === "PREPARED" && open.run.desiredState === "RUN";
      return { tries: calls.filter(isTry), isOpen, desiredState: desiredStateOf(open) };
    });

  return async (scope: SealScope, signal: AbortSignal, fresh?: readonly CallRow[]): Promise<Delivered> => {
    const { tenant, runId } = scope;
    const before =
      fresh === undefined
        ? await readTries(scope)
        : { tries: fresh, isOpen: true, desiredState: "DESIRED_STATE_RUN" as const };
    const due = before.isOpen ? before.tries.filter((call) => call.state === "DUE") : [];
    if (due.length === 0)
      return { answer: { ...progressOf(before.tries), desiredState: before.desiredState }, tries: before.tries };

    const sent = await Promise.all(
      due.map(async (call) => ({
        call,
        answer: await handoffSpan(call, undefined, () => deps.receivers.send(call, signal)),
      })),
    );
    const answers = sent.filter((each): each is Answered => each.answer.state !== "HELD_BACK");
    return deps.inRun(scope, async (open) => {
      const firsts = await Promise.all(
        answers.map(async ({ call, answer }) => {
          if (answer.state !== "UNANSWERED")
            return recordAnswer(open.transaction, call, storedAnswer(answer), deps.now());
          await recordSilence(open.transaction, call, answer.error, null);
          return false;
        }),
      );
      const news = answers.filter((_, index) => firsts[index]);
      if (news.length > 0 && !open.closed) {
        const methodology = methodologyOf(open.run.method);
        const { references, added } = fileReferences(methodology, open.run.references, news.flatMap(returnedBy));
        await Promise.all([
          open.append(news.map(answeredEvent)),
          ...(added.length === 0 ? [] : [updateReferences(open.transaction, open.run, references, added)]),
        ]);
      }
      const tries = (await listCalls(open.transaction, tenant, runId)).filter(isTry);
      if (!open.closed) await noteWaiting(open, tries, (receiver) => deps.receivers.retryAt(receiver), deps.now());
      return { answer: { ...progressOf(tries), desiredState: desiredStateOf(open) }, tries };
    });
  };
}

export interface Delivered {
  readonly answer: DeliverHandoffResponseJson;
  readonly tries: readonly CallRow[];
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

interface Answered {
  readonly call: CallRow;
  readonly answer: CallAnswer;
}

const isTry = (call: CallRow): boolean => call.phase === "TRY";

function storedAnswer(answer: Exclude<CallAnswer, { state: "UNANSWERED" }>) {
  return answer.state === "ACKNOWLEDGED"
    ? { state: answer.state, answer: answer.answer, lastError: "" }
    : { state: answer.state, answer: { code: answer.code, reason: answer.reason }, lastError: answer.reason };
}

function answeredEvent({ call, answer }: Answered): EventDraft {
  const accepted = answer.state === "ACKNOWLEDGED";
  return {
    writerKey: `handoff/${call.rpc}/${call.phase}`,
    handoff: {
      receiver: call.receiver,
      rpc: call.rpc,
      phase: `HANDOFF_PHASE_${call.phase}`,
      accepted,
      ...(answer.state === "REFUSED" ? { reason: answer.reason } : {}),
      ...(accepted ? { returned: [...answer.returned] } : {}),
    },
  };
}

function returnedBy({ answer }: Answered): readonly RefJson[] {
  return answer.state === "ACKNOWLEDGED" ? answer.returned : [];
}
