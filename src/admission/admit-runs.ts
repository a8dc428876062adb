import { eventContextOf, statusEvent } from "../runs/run-draft.ts";
import { assertTransition } from "../runs/run-status.ts";
import { admitRuns } from "../runs/run-store.ts";
import type { StreamHead } from "../runs/stream/chain-events.ts";
import { chainEvents } from "../runs/stream/chain-events.ts";
import type { StreamAddition } from "../runs/stream/run-event-store.ts";
import { appendEvents, lockStreams } from "../runs/stream/run-event-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { ClaimedRun } from "./admit-store.ts";
import { findUnbegun } from "./admit-store.ts";
import type { RunKey } from "./claim-store.ts";

/**
 * Moves runs whose workflows are started from QUEUED to ADMITTED, each with its event. One that has begun or ended meanwhile, or goes on as its next generation, keeps its status.
 * @returns those that became ADMITTED
 */
export async function admitStarted(
  transaction: Transaction,
  started: readonly RunKey[],
  at: Date,
): Promise<readonly RunKey[]> {
  const [heads, unbegun] = await Promise.all([lockStreams(transaction, started), findUnbegun(transaction, started)]);
  const queued = unbegun.filter(({ status }) => status === "QUEUED");
  if (queued.length > 0)
    await Promise.all([
      admitRuns(transaction, queued, at),
      appendEvents(
        transaction,
        queued.map((run) => additionOf(run, heads.get(run.runId), at)),
      ),
    ]);
  return queued;
}

function additionOf(run: ClaimedRun, base: StreamHead | undefined, at: Date): StreamAddition {
  if (base === undefined) throw new Error(`run ${run.runId} has no event stream`);
  assertTransition(run.status, "ADMITTED");
  const admitted = { ...run, status: "ADMITTED" } as const;
  const event = statusEvent("admit", admitted, { previous: run.status });
  const { events, head } = chainEvents(base, { runId: run.runId, context: eventContextOf(run) }, [event], at);
  return { run: admitted, events, head };
}
