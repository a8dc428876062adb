import type { HeldUpRunJson } from "../gen/workflows_runtime/v1/queue_pb.ts";
import type { ListQueueResponseJson } from "../gen/workflows_runtime/v1/request_service_pb.ts";
import { partsOfQueueKey } from "../rules/queue-keys.ts";
import { statusToJson } from "../runs/run-status.ts";
import { listHeldUpCalls } from "../seal/handoff/handoff-store.ts";
import type { InScope, Scope } from "../tenancy/transaction.ts";
import { countOpenRuns, listHeldUp, listLimits } from "./list-queue-store.ts";

const maxHeldUp = 200;

/** Counts runs that have not ended, by status, and lists runs without progress, oldest first. */
export function createListQueue(deps: { readonly inScope: InScope }) {
  return (scope: Scope): Promise<ListQueueResponseJson> =>
    deps.inScope(scope, async (transaction) => {
      const [open, lost, calls, limits] = await Promise.all([
        countOpenRuns(transaction, scope.tenant),
        listHeldUp(transaction, scope.tenant),
        listHeldUpCalls(transaction, scope.tenant),
        listLimits(transaction, scope.tenant),
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
        limits: limits.map(({ key, ...counts }) => {
          const { id, ...of } = partsOfQueueKey(key);
          return { limitId: id, ...of, ...counts };
        }),
      };
    });
}
