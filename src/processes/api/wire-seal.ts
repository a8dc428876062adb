import type { ObjectStore } from "../../artifacts/object-store.ts";
import type { Operator } from "../../config/operator.ts";
import type { ReceiverOf } from "../../methodology/methodology.ts";
import type { UseKeys } from "../../proof/attestations/signer.ts";
import type { InRun } from "../../runs/in-run.ts";
import { createAbortSeal } from "../../seal/abort/abort-seal.ts";
import { createCommitSeal } from "../../seal/commit-seal.ts";
import { createDescribeSeal } from "../../seal/describe-seal.ts";
import { createDeliverHandoff } from "../../seal/handoff/deliver-handoff.ts";
import { createDeliverLoop } from "../../seal/handoff/deliver-loop.ts";
import { readHandoffBacklog } from "../../seal/handoff/handoff-backlog-store.ts";
import { createReceivers } from "../../seal/handoff/receivers.ts";
import { createPrepareSeal } from "../../seal/prepare-seal.ts";
import { createReconcileLoop } from "../../seal/reconcile/reconcile-loop.ts";
import { fallbackEndSealed, handoffHeldUp, handoffStuck, runReconciled } from "../../telemetry/events.ts";
import type { Log } from "../../telemetry/log.ts";
import { observeHandoffs } from "../../telemetry/metrics/handoff-metrics.ts";
import { lostRunReconciled } from "../../telemetry/metrics/run-metrics.ts";
import type { InScope, InTransaction } from "../../tenancy/transaction.ts";

/**
 * The end of a run and its proof. One loop sends due calls to methodologies; one restarts or ends runs whose workflow is lost.
 * @param deps.onPlaceFree - called when a run ended or may be started again
 */
export function wireSeal(deps: {
  readonly inScope: InScope;
  readonly inReadScope: InScope;
  readonly inLosableScope: InScope;
  readonly inTransaction: InTransaction;
  readonly inRun: InRun;
  readonly objects: Pick<ObjectStore, "putOnce" | "digestOf" | "refresh">;
  readonly receiverOf: ReceiverOf;
  readonly useKeys: UseKeys;
  readonly operator: Operator;
  readonly log: Log;
  readonly now: () => Date;
  readonly onPlaceFree: () => void;
}) {
  const { inScope, inReadScope, inTransaction, inRun, objects, receiverOf, useKeys, log, now, onPlaceFree } = deps;
  const { baseUri } = deps.operator.proof;
  const receivers = createReceivers({ receiverOf, now, random: Math.random });
  observeHandoffs(Object.keys(deps.operator.methodologies), () => inTransaction(readHandoffBacklog));
  const deliverLoop = createDeliverLoop({
    inScope: deps.inLosableScope, // a call whose answer was lost is sent again, under its key
    inTransaction,
    receivers,
    now,
    random: Math.random,
    onStuck: (call) => handoffStuck(log, call),
    onHeldUp: (call) => handoffHeldUp(log, call),
    onError: (error) => log.warn({ err: error }, "deliver: a round failed"),
  });
  const abortSeal = createAbortSeal({
    inScope,
    inRun,
    objects,
    receiverOf,
    useKeys,
    baseUri,
    now,
    onFallback: (error, run) => fallbackEndSealed(log, run, error),
    onDue: deliverLoop.wake,
  });
  return {
    describeSeal: createDescribeSeal({ inScope: inReadScope }),
    prepareSeal: createPrepareSeal({ inScope, inRun, objects, receiverOf, baseUri, now }),
    deliverHandoff: createDeliverHandoff({ inRun, receivers, now }),
    commitSeal: createCommitSeal({ inRun, objects, useKeys, now, deliverLoop }),
    abortSeal,
    deliverLoop,
    reconcileLoop: createReconcileLoop({
      inTransaction,
      inRun,
      abortSeal,
      now,
      onReconciled: (done) => {
        onPlaceFree();
        lostRunReconciled(done.finding, done.outcome);
        runReconciled(log, done);
      },
      onError: (error) => log.warn({ err: error }, "reconcile: a round failed"),
    }),
  };
}
