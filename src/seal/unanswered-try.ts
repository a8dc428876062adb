import type { Transaction } from "../tenancy/transaction.ts";
import { listCalls } from "./handoff-store.ts";

/** What a run's hand-off waits for: its oldest try without an answer, with its last error. */
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
