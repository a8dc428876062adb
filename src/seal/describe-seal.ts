import type { VerdictJson } from "../gen/automation/v1/verdict_pb.ts";
import type { HandoffCallJson, ImpedimentJson } from "../gen/workflows_runtime/v1/handoff_call_pb.ts";
import { findRun } from "../runs/run-store.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import type { CallRow } from "./handoff/handoff-store.ts";
import { listCalls } from "./handoff/handoff-store.ts";
import type { ImpedimentRow } from "./impediments/impediment-store.ts";
import { findImpediment } from "./impediments/impediment-store.ts";
import { impedimentKeyOf } from "./impediments/raise-impediment.ts";
import { findSeal } from "./seal-store.ts";

/** The seal of a run so far: the verdict, every call to a receiver, and the impediment that its end raised. */
export function createDescribeSeal(deps: { readonly inScope: InScope }) {
  return (
    scope: Scope,
    runId: string,
  ): Promise<{ verdict?: VerdictJson; handoffCalls: HandoffCallJson[]; impediment?: ImpedimentJson }> =>
    deps.inScope(scope, async (transaction) => {
      const { tenant } = scope;
      const [run, seal, calls] = await Promise.all([
        findRun(transaction, tenant, runId),
        findSeal(transaction, tenant, runId),
        listCalls(transaction, tenant, runId),
      ]);
      const impediment =
        run === undefined || seal === undefined || seal.cause === ""
          ? undefined
          : await findImpediment(transaction, impedimentKeyOf(run, seal.cause));
      return {
        ...(seal === undefined ? {} : { verdict: seal.verdict }),
        handoffCalls: calls.map(callToJson),
        ...(impediment === undefined ? {} : { impediment: impedimentToJson(impediment) }),
      };
    });
}

function callToJson(call: CallRow): HandoffCallJson {
  const { receiver, rpc, idempotencyKey, phase, state, attempts, lastError, nextAttemptAt } = call;
  return {
    receiver,
    rpc,
    idempotencyKey,
    phase: `HANDOFF_PHASE_${phase}`,
    state: `HANDOFF_STATE_${state}`,
    attempts,
    lastError,
    ...(nextAttemptAt === null ? {} : { nextAttemptAt: nextAttemptAt.toISOString() }),
  };
}

function impedimentToJson({ impedimentId: id, cause, summary, occurrences, remoteId }: ImpedimentRow): ImpedimentJson {
  return { id, cause, summary, occurrences, remoteId };
}
