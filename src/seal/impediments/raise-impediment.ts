import { randomUUID } from "node:crypto";
import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import { readContext } from "../../methodology/context-references.ts";
import type { ReceiverOf } from "../../methodology/methodology.ts";
import { subjectOf } from "../../proof/statements/run-subject.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import { unmetLines, unmetText } from "../../text/unmet-lines.ts";
import type { AbortedEnd, DraftedEnd } from "../abort/aborted-end.ts";
import { tryCall } from "../handoff/handoff-call.ts";
import type { NewCall } from "../handoff/handoff-store.ts";
import { insertCalls } from "../handoff/handoff-store.ts";
import { countOccurrence } from "./impediment-store.ts";

/** There is one impediment per org, method, work item and cause; the same cause again is another occurrence of it. */
export function impedimentKeyOf(run: RunRow, cause: string) {
  const { kind, id } = subjectOf(run);
  return { tenant: run.tenant, org: run.org, method: run.method, workItem: `${kind}/${id}`, cause };
}

/** Not for a run that a person cancelled or whose time passed before its work began: the people of its work item have nothing to fix. */
export const isImpediment = ({ workBegunAt }: RunRow, outcome: AbortedEnd["outcome"]): boolean =>
  outcome === "FAILED" || (outcome === "TIMED_OUT" && workBegunAt !== null);

/** The methodology can't build its call from what the run left. */
export class ImpedimentCallError extends Error {
  override readonly name = "ImpedimentCallError";
  readonly code = "impediment_call";
  constructor(runId: string, cause: unknown) {
    super(`the impediment of run ${runId} can't be told to its receiver`, { cause });
  }
}

/**
 * Records the impediment and, when the profile has a receiver, prepares the call that reports it there. For a fallback end the record alone is enough when the call can't be built.
 * @returns how often its cause has occurred on its work item, with this time
 * @throws ImpedimentCallError
 */
export async function raiseImpediment(
  deps: { readonly receiverOf: ReceiverOf },
  transaction: Transaction,
  { soFar: { run, profile }, end, proof, at, isFallback }: DraftedEnd,
): Promise<number> {
  const lines = proof.verdict.lines ?? [];
  const key = impedimentKeyOf(run, end.cause);
  const why = `${whyInShort(end, lines)}${triesInShort(run)}`;
  const summary = `Automation run ${run.runId} on ${key.workItem} ended ${end.outcome}: ${why}`;
  const occurrence = { ...key, summary, lines, runId: run.runId, at };
  const { impedimentId, occurrences } = await countOccurrence(transaction, randomUUID(), occurrence);
  const receiver = profile.handoff?.receiver ?? "";
  const methodology = deps.receiverOf(receiver)?.methodology;
  if (methodology?.method !== run.method) return occurrences;
  const report = { impedimentId, cause: end.cause, summary, lines, occurrences };
  let call: NewCall;
  try {
    const draft = methodology.impedimentCall(readContext(run.requested.context ?? {}).context, report);
    call = tryCall({ run, receiver, proof, at }, draft, `${impedimentId}/${occurrences}`, at);
  } catch (error) {
    if (isFallback) return occurrences;
    throw new ImpedimentCallError(run.runId, error);
  }
  await insertCalls(transaction, run, [call], at);
  return occurrences;
}

/** How many attempts its work took, and why the last but one ended. */
function triesInShort({ attempt }: RunRow): string {
  const { attempt: number = 0, previousEnd = "" } = attempt ?? {};
  return number <= 1 ? "" : ` (attempt ${number} of its work; how the one before ended: ${previousEnd})`;
}

/** For a failed verdict: its first unmet requirement and the remedy; the lines list all of them. */
function whyInShort({ cause, reason }: AbortedEnd, lines: readonly VerdictLineJson[]): string {
  const [first, ...more] = unmetLines(lines);
  if (cause !== "verdict_failed" || first === undefined) return reason || cause;
  const { remedy = "" } = first;
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  return `${unmetText(first)}${others}${remedy === "" ? "" : ` | remedy: ${remedy}`}`;
}
