import type { PrepareSealResponseJson } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { sealSpan } from "../telemetry/run-spans.ts";
import type { createCommitSeal } from "./commit-seal.ts";
import type { createDeliverHandoff } from "./handoff/deliver-handoff.ts";
import type { createPrepareSeal } from "./prepare-seal.ts";
import type { SealScope } from "./run-so-far.ts";

/** A receiver that takes longer is waited for by the workflow, not by this call. */
const longestDeliveryMs = 1_000;

export interface FinishSealDeps {
  readonly prepareSeal: ReturnType<typeof createPrepareSeal>;
  readonly deliverHandoff: ReturnType<typeof createDeliverHandoff>;
  readonly commitSeal: ReturnType<typeof createCommitSeal>;
}

/**
 * Prepares a seal, hands over and commits, for as long as nothing waits: a good run ends with one call, and what one step has stored the next need not read.
 * What receivers answered is recorded with the commit. A caller that gets no answer repeats the call, or makes the next one, as after any other; a try without a recorded answer is sent again.
 */
export function createFinishSeal({ prepareSeal, deliverHandoff, commitSeal }: FinishSealDeps) {
  return async (scope: SealScope, signal: AbortSignal): Promise<PrepareSealResponseJson> => {
    const { answer, fresh, isCommitted } = await prepareSeal(scope, signal);
    if (isCommitted === true)
      return { ...answer, handoff: { progress: "HANDOFF_PROGRESS_ACCEPTED" }, commit: await commitSeal(scope, signal) };
    if (answer.verdict?.passed !== true || answer.desiredState === "DESIRED_STATE_CANCEL") return answer;
    const delivered = await within(longestDeliveryMs, (isInTime) =>
      deliverHandoff(
        scope,
        signal,
        fresh && {
          tries: fresh.tries,
          async commit(answered) {
            if (!isInTime()) return undefined;
            const commit = await sealSpan("commit", () => commitSeal(scope, signal, { ...fresh, answered }));
            return commit.fault === undefined ? commit : undefined;
          },
        },
      ),
    );
    if (delivered === undefined) return answer;
    const { answer: handoff, commit } = delivered;
    if (commit !== undefined) return { ...answer, handoff, commit };
    if (handoff.progress !== "HANDOFF_PROGRESS_ACCEPTED" || handoff.desiredState === "DESIRED_STATE_CANCEL")
      return { ...answer, handoff };
    return { ...answer, handoff, commit: await sealSpan("commit", () => commitSeal(scope, signal)) };
  };
}

/**
 * @param work - may ask whether it is in time, and has all the time that it needs when it is
 * @returns undefined when it is not; it goes on, and its failure is then nobody's here
 */
async function within<T>(limitMs: number, work: (isInTime: () => boolean) => Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    late.resolve(undefined);
  }, limitMs);
  const isInTime = () => {
    clearTimeout(timer);
    return !isLate;
  };
  try {
    return await Promise.race([work(isInTime), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
