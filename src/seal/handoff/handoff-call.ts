import { randomUUID } from "node:crypto";
import { assertServes, UnknownReceiverError } from "../../definitions/receiver-rules.ts";
import type { CallDraft, HandoffCall, Receiver, ReceiverOf } from "../../methodology/methodology.ts";
import { resourceUri } from "../../proof/statements/resource-uri.ts";
import type { EndProof } from "../../proof/statements/statements-of-end.ts";
import type { RunRow } from "../../runs/run-store.ts";
import { canonicalDigest } from "../../text/canonical-json.ts";
import type { CallRow, NewCall } from "./handoff-store.ts";

/** @throws UnknownReceiverError, ReceiverMethodError when the operator file does not name it, or names it for another methodology than the run's */
export function findReceiver(receiverOf: ReceiverOf, name: string, { method }: RunRow): Receiver {
  const receiver = receiverOf(name);
  if (receiver === undefined) throw new UnknownReceiverError(name);
  assertServes(name, receiver.methodology.method, method);
  return receiver;
}

/** How long a receiver should keep a try that is neither confirmed nor cancelled. */
const tryLifetimeMs = 7 * 24 * 3_600_000;

/** The end that a try belongs to, and its receiver. */
export interface HandoffScope {
  readonly run: RunRow;
  readonly receiver: string;
  readonly proof: EndProof;
  readonly at: Date;
}

/**
 * Builds a try, with the digests of the proof.
 * @param idempotencyKey - of the effect at the receiver; the same for TRY, CONFIRM and CANCEL
 * @param dueAt - when the deliver loop sends it; null: the workflow sends it
 */
export function tryCall(scope: HandoffScope, draft: CallDraft, idempotencyKey: string, dueAt: Date | null): NewCall {
  const { run, receiver, proof, at } = scope;
  const meta: HandoffCall["meta"] = {
    idempotencyKey,
    runId: run.runId,
    tenant: run.tenant,
    org: run.org,
    correlationId: run.correlationId ?? "",
    profileDigest: run.profileDigest,
    vsa: {
      attestationId: proof.summary.attestationId,
      statementSha256: proof.summary.sha256,
      verdict: proof.verdict,
    },
    evidence: proof.statements
      .filter((statement) => statement !== proof.summary)
      .map((statement) => ({
        attestationId: statement.attestationId,
        kind: statement.kind,
        uri: resourceUri(run.tenant, "run", run.runId, statement.about.name),
        checksum: statement.about.sha256,
        statementSha256: statement.sha256,
        vantage: statement.vantage,
      })),
    expiresAt: new Date(at.getTime() + tryLifetimeMs).toISOString(),
  };
  return newCall({ ...draft, receiver, idempotencyKey, phase: "TRY", meta }, dueAt);
}

/** Builds the call that confirms or cancels a try. */
export function followUp(tried: CallRow, phase: "CONFIRM" | "CANCEL", dueAt: Date): NewCall {
  const { receiver, rpc, idempotencyKey, meta, payload } = tried;
  return newCall({ receiver, rpc, idempotencyKey, phase, meta, payload }, dueAt);
}

function newCall(call: Omit<NewCall, "callId" | "requestDigest" | "dueAt">, dueAt: Date | null): NewCall {
  const { rpc, phase, meta, payload } = call;
  return { ...call, callId: randomUUID(), requestDigest: canonicalDigest({ rpc, phase, meta, payload }), dueAt };
}
