import type { EvidenceJson } from "../gen/automation/v1/evidence_pb.ts";
import type { RunRow } from "../runs/run-store.ts";

/** The id of a piece of evidence that a run itself provides, and the name of the statement about it: the kind, and the step where there may be several. Unique within the run. */
export const evidenceIdOf = (kind: string, stepId?: string): string =>
  stepId === undefined ? kind : `${kind}/${stepId}`;

/**
 * Who states what a run itself provides.
 * @param baseUri - `proof.baseUri` of the operator, without a trailing slash
 * @returns `<base>/builder/<class>/<tenant>`: the class of the run's boxes, `none` for a run without a workspace
 */
export function builderIdOf(baseUri: string, { pins, tenant }: Pick<RunRow, "pins" | "tenant">): string {
  const isolation = pins?.isolation?.replace("ISOLATION_CLASS_", "").toLowerCase() ?? "none";
  return `${baseUri}/builder/${isolation}/${tenant}`;
}

/** Adds who states a piece of evidence, and when it was found. */
export function withIssuer(evidence: EvidenceJson, issuer: string, at: Date): EvidenceJson {
  return { ...evidence, issuer, at: at.toISOString() };
}
