import { v5 as uuidv5 } from "uuid";
import type { RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { AttachmentJson } from "../gen/graph/v1/graph_service_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { addElementVersion } from "./element-store.ts";

/** Namespace of element ids, so that two runs on one work item meet at one element. */
const elementNamespace = "5d3c3f7e-4a1b-5a0e-9a55-0b4b6f0d6c11";

/** Evidence of one COMPLETED run on what it was about. */
export interface RunEvidence {
  readonly tenant: string;
  readonly runId: string;
  /** Lower-case method name: `scrum`. */
  readonly method: string;
  /** What the element is the evidence of: the run's first work item, else the run. */
  readonly subject: { readonly kind: string; readonly id: string };
  /** The work items that this evidence is for, the increment that a hand-off returned included. */
  readonly workItems: readonly RefJson[];
  readonly attachments: readonly AttachmentJson[];
  readonly at: Date;
}

/**
 * Writes a run's evidence into the embedded graph, in the transaction that ends the run: one `ameide:evidence` element per subject, one version of it per run,
 * related as `ameide:evidences` to every work item.
 */
export async function writeEvidence(transaction: Transaction, evidence: RunEvidence): Promise<void> {
  const { tenant, runId, method, subject, workItems, attachments, at } = evidence;
  const identity = JSON.stringify([tenant, "ameide:evidence", method, subject.kind, subject.id]);
  await addElementVersion(transaction, tenant, {
    elementId: uuidv5(identity, elementNamespace),
    typeKey: "ameide:evidence",
    name: `Evidence on ${subject.kind} ${subject.id}`,
    runId,
    attachments: [...attachments],
    createdAt: at,
    relationships: workItems.map((target) => ({ typeKey: "ameide:evidences", target })),
  });
}
