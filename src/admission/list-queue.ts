import type { QueueLimitUseJson } from "../gen/workflows_runtime/v1/queue_limit_pb.ts";
import type { HeldUpRunJson, WaitingRunJson } from "../gen/workflows_runtime/v1/queue_pb.ts";
import type { ListQueueResponseJson } from "../gen/workflows_runtime/v1/request_service_pb.ts";
import { partsOfQueueKey } from "../rules/queue-keys.ts";
import { statusToJson } from "../runs/run-status.ts";
import { listHeldUpCalls } from "../seal/handoff/handoff-store.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import type { WaitingRun } from "./list-queue-store.ts";
import { countOpenRuns, listHeldUp, listLimits, listWaiting } from "./list-queue-store.ts";
import { heldByKey, listHolds } from "./queue-hold-store.ts";

const maxHeldUp = 200;

/** Counts runs that have not ended, by status; lists the runs that wait next, limits, holds, and runs without progress, oldest first. */
export function createListQueue(deps: { readonly inScope: InScope }) {
  return (scope: Scope): Promise<ListQueueResponseJson> =>
    deps.inScope(scope, async (transaction) => {
      const [open, lost, calls, limits, waiting, holds] = await Promise.all([
        countOpenRuns(transaction, scope.tenant),
        listHeldUp(transaction, scope.tenant),
        listHeldUpCalls(transaction, scope.tenant),
        listLimits(transaction, scope.tenant),
        listWaiting(transaction, scope.tenant),
        listHolds(transaction, scope.tenant),
      ]);
      const unanswered = calls.map(({ receiver, rpc, phase, lastError, attempts, ...run }) => ({
        ...run,
        finding: "receiver_silent",
        detail: `${receiver} ${rpc} (${phase}): ${lastError || "not tried yet"} (tried ${attempts} times)`,
        due: true,
      }));
      const heldUp = [...lost, ...unanswered].sort((a, b) => a.since.getTime() - b.since.getTime()).slice(0, maxHeldUp);
      return {
        runs: open.map(({ status, oldestAt, ...counts }) => ({
          status: statusToJson(status),
          oldestAt: oldestAt.toISOString(),
          ...counts,
        })),
        heldUp: heldUp.map(
          ({ status, since, ...facts }): HeldUpRunJson => ({
            ...facts,
            status: statusToJson(status),
            since: since.toISOString(),
          }),
        ),
        limits: limits.map(({ key, ...counts }) => ({ ...limitOf(key), ...counts })),
        next: waiting.map((run, index) => ({ ...waitingToJson(run), position: index + 1 })),
        holds,
      };
    });
}

const limitOf = (key: string): QueueLimitUseJson => {
  const { id, ...of } = partsOfQueueKey(key);
  return { limitId: id, ...of };
};

function waitingToJson({ runId, priority, queuedAt, ruleId, blockedBy, notBefore }: WaitingRun): WaitingRunJson {
  const run = { runId, priority, since: queuedAt.toISOString(), ruleId: ruleId ?? "" };
  if (notBefore !== null) return { ...run, nextTryAt: notBefore.toISOString() };
  if (blockedBy === null) return run;
  const hold = heldByKey(blockedBy);
  return hold === undefined ? { ...run, limit: limitOf(blockedBy) } : { ...run, hold };
}
