import type { RefJson } from "../../gen/automation/v1/ref_pb.ts";
import { fileReferences } from "../../methodology/context-references.ts";
import { methodologyOf } from "../../methodology/methodologies.ts";
import type { CallAnswer } from "../../methodology/methodology.ts";
import type { OpenRun } from "../../runs/in-run.ts";
import type { RunDraft } from "../../runs/run-draft.ts";
import { updateReferences } from "../../runs/run-reference-store.ts";
import type { EventDraft } from "../../runs/stream/chain-events.ts";
import type { CallRow, FinalAnswer } from "./handoff-store.ts";
import { storeAnswers, storeSilence } from "./handoff-store.ts";

/** A try that was sent, and what its receiver said. */
export interface Answered {
  readonly call: CallRow;
  readonly answer: CallAnswer;
}

/**
 * Records what receivers said to tries. The first answer to a call is final and becomes an event of the draft; ids that a receiver returned are added to the run's references by their kinds.
 * After the end of the run nothing is drafted.
 */
export async function recordAnswers(
  open: OpenRun,
  draft: RunDraft,
  answered: readonly Answered[],
  at: Date,
): Promise<void> {
  const { transaction, run } = open;
  const [firsts] = await Promise.all([
    storeAnswers(transaction, answered.flatMap(finalAnswer), at),
    ...answered.flatMap(({ call, answer }) =>
      answer.state === "UNANSWERED" ? [storeSilence(transaction, call, answer.error, null)] : [],
    ),
  ]);
  const news = answered.filter(({ call }) => firsts.has(call.callId));
  if (news.length === 0 || open.closed) return;
  const { references, added } = fileReferences(methodologyOf(run.method), run.references, news.flatMap(returnedBy));
  draft.append(news.map(answeredEvent));
  if (added.length === 0) return;
  draft.refersTo(references);
  await updateReferences(transaction, run, references, added);
}

function finalAnswer({ call, answer }: Answered): FinalAnswer[] {
  if (answer.state === "UNANSWERED") return [];
  return answer.state === "ACKNOWLEDGED"
    ? [{ call, state: answer.state, answer: answer.answer, lastError: "" }]
    : [{ call, state: answer.state, answer: { code: answer.code, reason: answer.reason }, lastError: answer.reason }];
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
