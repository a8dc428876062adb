import type { OpenRun } from "../../runs/in-run.ts";
import { setWaiting } from "../../runs/run-store.ts";
import type { Transaction } from "../../tenancy/transaction.ts";
import type { CallRow } from "./handoff-store.ts";
import { listCalls } from "./handoff-store.ts";

/** Describes the oldest try without an answer, with its last error; undefined when every try has one. */
export async function findUnansweredTry(
  transaction: Transaction,
  tenant: string,
  runId: string,
): Promise<string | undefined> {
  const calls = await listCalls(transaction, tenant, runId);
  const silent = calls.find(({ phase, state }) => phase === "TRY" && state === "DUE");
  if (silent === undefined) return undefined;
  const { receiver, rpc, lastError, attempts } = silent;
  return `${receiver} ${rpc}: ${lastError || "no answer yet"} (tried ${attempts} times)`;
}

/** Records on the run which receiver it waits for and the last error; an event is appended when the wait begins. */
export async function noteWaiting(
  open: OpenRun,
  tries: readonly CallRow[],
  retryAt: (receiver: string) => Date,
  at: Date,
): Promise<void> {
  const silent = tries.find((call) => call.state === "DUE");
  if (silent === undefined) {
    if (open.run.waiting !== null) await setWaiting(open.transaction, open.run, null);
    return;
  }
  const { receiver, rpc, lastError, attempts } = silent;
  const since = open.run.waiting?.since;
  const waiting = {
    reason: `receiver ${receiver}: ${lastError || `${rpc} has not been tried yet; ${receiver} takes no more calls`}`,
    attempt: attempts,
    nextAttemptAt: retryAt(receiver).toISOString(),
    since: since ?? at.toISOString(),
  };
  await setWaiting(open.transaction, open.run, waiting);
  if (since === undefined) await open.append([{ writerKey: "handoff/waiting", waiting }]);
}
