import { randomUUID } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { sha256Hex } from "../artifacts/blobs.ts";
import type { HandoffMetaJson } from "../gen/automation/v1/handoff_pb.ts";
import type { HandoffDraft, Methodology } from "../methodology/methodology.ts";
import { resourceUri } from "../proof/statements/resource-uri.ts";
import type { EndProof } from "../proof/statements/statements-of-end.ts";
import type { RunRow } from "../runs/run-store.ts";
import { canonicalJson } from "../text/canonical-json.ts";
import type { CallRow, NewCall, Phase } from "./handoff-store.ts";

/** A profile hands over to a methodology service that the operator has not named. */
export class UnknownReceiverError extends Error {
  override readonly name = "UnknownReceiverError";
  readonly code = "unknown_receiver";
  readonly receiver: string;
  constructor(receiver: string) {
    super(
      `the profile hands over to "${receiver}", which is not under "methodologies" in the operator file; add its endpoint and token file there`,
    );
    this.receiver = receiver;
  }
}

/** Finds the client of a methodology service by the name that profiles use; undefined when the operator has not named it. */
export type MethodologyOf = (receiver: string) => Methodology | undefined;

/** How long a receiver should keep a try that is neither confirmed nor cancelled. */
const tryLifetimeMs = 7 * 24 * 3_600_000;

/** What a try is about: the end it belongs to, and where it goes. */
export interface HandoffScope {
  readonly run: RunRow;
  readonly receiver: string;
  readonly proof: EndProof;
  readonly at: Date;
}

/**
 * A try, with the digests of the proof that will stand behind it.
 * @param idempotencyKey - names the effect at the receiver, in every phase
 * @param dueAt - when the deliver loop sends it; null: the workflow asks for it
 */
export function tryCall(scope: HandoffScope, draft: HandoffDraft, idempotencyKey: string, dueAt: Date | null): NewCall {
  const { run, receiver, proof, at } = scope;
  const meta: HandoffMetaJson = {
    idempotencyKey,
    phase: "HANDOFF_PHASE_TRY",
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
  const request: JsonObject = { ...draft.body, meta: meta as JsonObject };
  return { ...newCall({ receiver, method: draft.method, idempotencyKey }, "TRY", request), dueAt };
}

/** The call that makes a try final, or takes it back. */
export function followUp(tried: CallRow, phase: Exclude<Phase, "TRY">, dueAt: Date): NewCall {
  const meta = { ...(tried.request.meta as JsonObject), phase: `HANDOFF_PHASE_${phase}` };
  return { ...newCall(tried, phase, { ...tried.request, meta }), dueAt };
}

function newCall(
  { receiver, method, idempotencyKey }: Pick<CallRow, "receiver" | "method" | "idempotencyKey">,
  phase: Phase,
  request: JsonObject,
): Omit<NewCall, "dueAt"> {
  const requestDigest = sha256Hex(canonicalJson(request));
  return { callId: randomUUID(), receiver, method, idempotencyKey, phase, request, requestDigest };
}
