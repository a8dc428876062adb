import { randomUUID } from "node:crypto";
import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import { readContext } from "../../methodology/context-references.ts";
import type { ReceiverOf } from "../../methodology/methodology.ts";
import { subjectOf } from "../../proof/statements/resource-uri.ts";
import type { RunRow } from "../../runs/run-store.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import { unmetLines, unmetText } from "../../text/unmet-lines.ts";
import type { AbortedEnd } from "../abort/aborted-end.ts";
import type { DraftedEnd } from "../abort/draft-end.ts";
import { tryCall } from "../handoff/handoff-call.ts";
import type { NewCall } from "../handoff/handoff-store.ts";
import { insertCalls } from "../handoff/handoff-store.ts";
import { countOccurrence } from "./impediment-store.ts";

/** One impediment per cause on a work item of a method and an org: the same cause again is another occurrence of it. */
export function impedimentKeyOf(run: RunRow, cause: string) {
  const { kind, id } = subjectOf(run);
  return { tenant: run.tenant, org: run.org, method: run.method, workItem: `${kind}/${id}`, cause };
}

/** A failed run is an impediment of its work item, unless a person cancelled it or its time had passed before its work began: then nothing is broken that the item's people could mend. */
export const isImpediment = ({ workBegunAt }: RunRow, outcome: AbortedEnd["outcome"]): boolean =>
  outcome === "FAILED" || (outcome === "TIMED_OUT" && workBegunAt !== null);

/** The methodology can't make its call from what the run left. */
export class ImpedimentCallError extends Error {
  override readonly name = "ImpedimentCallError";
  readonly code = "impediment_call";
  constructor(runId: string, cause: unknown) {
    super(`the impediment of run ${runId} can't be told to its receiver`, { cause });
  }
}

/**
 * Keeps the record and, where the profile hands over to a receiver, has it told. A fallback end whose call can't be made keeps the record alone.
 * @throws ImpedimentCallError
 */
export async function raiseImpediment(
  deps: { readonly receiverOf: ReceiverOf },
  transaction: Transaction,
  { soFar: { run, profile }, end, proof, at, isFallback }: DraftedEnd,
): Promise<void> {
  const lines = proof.verdict.lines ?? [];
  const key = impedimentKeyOf(run, end.cause);
  const why = `${whyInShort(end, lines)}${triesInShort(run)}`;
  const summary = `Automation run ${run.runId} on ${key.workItem} ended ${end.outcome}: ${why}`;
  const occurrence = { ...key, summary, lines, runId: run.runId, at };
  const { impedimentId, occurrences } = await countOccurrence(transaction, randomUUID(), occurrence);
  const receiver = profile.handoff?.receiver ?? "";
  const methodology = deps.receiverOf(receiver)?.methodology;
  if (methodology?.method !== run.method) return;
  const report = { impedimentId, cause: end.cause, summary, lines, occurrences };
  let call: NewCall;
  try {
    const draft = methodology.impedimentCall(readContext(run.requested.context ?? {}).context, report);
    call = tryCall({ run, receiver, proof, at }, draft, `${impedimentId}/${occurrences}`, at);
  } catch (error) {
    if (isFallback) return;
    throw new ImpedimentCallError(run.runId, error);
  }
  await insertCalls(transaction, run, [call], at);
}

/** How often its work was begun anew, and why the last time. */
function triesInShort({ attempt }: RunRow): string {
  const { attempt: number = 0, previousEnd = "" } = attempt ?? {};
  return number <= 1 ? "" : ` (attempt ${number} of its work; how the one before ended: ${previousEnd})`;
}

/** A verdict that did not pass is told by the first requirement that it failed on and what to do; the others are in the lines. */
function whyInShort({ cause, reason }: AbortedEnd, lines: readonly VerdictLineJson[]): string {
  const [first, ...more] = unmetLines(lines);
  if (cause !== "verdict_failed" || first === undefined) return reason || cause;
  const { remedy = "" } = first;
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  return `${unmetText(first)}${others}${remedy === "" ? "" : ` | remedy: ${remedy}`}`;
}
