import type { RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { KeptDocumentJson } from "../gen/automation/v1/run_work_pb.ts";
import type { AttachmentJson } from "../gen/graph/v1/graph_service_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import { uuidV5 } from "../text/uuid-v5.ts";
import type { ElementRow } from "./element-store.ts";
import { addElementVersion } from "./element-store.ts";

/** Namespace of element ids: two runs of an org on one work item write versions of the same element. */
const elementNamespace = "5d3c3f7e-4a1b-5a0e-9a55-0b4b6f0d6c11";

/** Evidence of one COMPLETED run. */
export interface RunEvidence {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  /** Lower-case method name: `scrum`. */
  readonly method: string;
  /** What the element is evidence for: the run's first work item, or the run when it has none. */
  readonly subject: { readonly kind: string; readonly id: string };
  /** The work items that this evidence is for, including an increment that the hand-off returned. */
  readonly workItems: readonly RefJson[];
  readonly attachments: readonly AttachmentJson[];
  /** Absent for a run without a workspace. */
  readonly made: MadeByRun | undefined;
  readonly at: Date;
}

/** What a run made in a repository. */
export interface MadeByRun {
  readonly repositoryId: string;
  /** The patch, and its list of changes. */
  readonly changes: readonly AttachmentJson[];
  readonly documents: readonly KeptDocumentJson[];
}

/**
 * Writes a run's evidence into the embedded graph, in the transaction that ends the run. There is one `ameide:evidence` element per subject, one `ameide:change-set` element per subject and
 * repository, and one element per document of a repository, of the type that its step names. Each run adds one version to each, related as `ameide:evidences` to every work item.
 */
export async function writeEvidence(transaction: Transaction, evidence: RunEvidence): Promise<void> {
  const { runId, workItems, at } = evidence;
  const relationships = workItems.map((target) => ({ typeKey: "ameide:evidences", target }));
  const elements = new Map([...elementsOf(evidence)].map((element) => [element.elementId, element]));
  // all runs lock elements in the same order, so that two runs can't deadlock
  const ordered = [...elements.values()].sort((one, other) => (one.elementId < other.elementId ? -1 : 1));
  await Promise.all(
    ordered.map((element) =>
      addElementVersion(transaction, evidence, { ...element, runId, createdAt: at, relationships }),
    ),
  );
}

type Written = Pick<ElementRow, "elementId" | "typeKey" | "name" | "attachments">;

function* elementsOf({ tenant, org, method, subject, attachments, made }: RunEvidence): Generator<Written> {
  const { kind, id } = subject;
  const idOf = (...parts: readonly string[]) => uuidV5(JSON.stringify([tenant, org, ...parts]), elementNamespace);
  yield {
    elementId: idOf("ameide:evidence", method, kind, id),
    typeKey: "ameide:evidence",
    name: `Evidence on ${kind} ${id}`,
    attachments: [...attachments],
  };
  if (made === undefined) return;
  const { repositoryId, changes, documents } = made;
  yield {
    elementId: idOf("ameide:change-set", method, kind, id, repositoryId),
    typeKey: "ameide:change-set",
    name: `Changes of ${repositoryId} for ${kind} ${id}`,
    attachments: [...changes],
  };
  for (const { path = "", typeKey = "", mediaType, sha256 } of documents)
    yield {
      elementId: idOf(typeKey, repositoryId, path),
      typeKey,
      name: `${path} of ${repositoryId}`,
      attachments: [{ name: path, mediaType, sha256 }],
    };
}
