import type { JsonObject } from "@bufbuild/protobuf";
import type { ReferencesJson, RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { MethodologyContextJson } from "../gen/automation/v1/run_requested_pb.ts";
import { methodologyOf } from "./methodologies.ts";
import type { Methodology } from "./methodology.ts";

/** What a methodology context says, in the terms that are the same for every methodology. */
export interface DerivedReferences {
  /** Whose context it is: `scrum`. */
  readonly method: string;
  /** Id of the time box that the profile counts in (Scrum's sprint); empty when the context names none. */
  readonly cadenceId: string;
  readonly references: ReferencesJson;
}

/** Most references in one list. */
const mostReferences = 100;

/**
 * Reads the oneof of a context: its field is named after the method.
 * @returns the method, and its own context as proto JSON
 * @throws Error when the context names no methodology
 */
export function readContext(context: MethodologyContextJson): { method: string; context: JsonObject } {
  const [field] = Object.entries(context);
  if (field === undefined) throw new Error("context names no methodology; fill one of its fields, for example scrum");
  const [method, own] = field;
  return { method, context: own as JsonObject };
}

/** Derives a run's references from its context, without duplicates. @throws Error when the context names no methodology */
export function deriveReferences(message: MethodologyContextJson): DerivedReferences {
  const { method, context } = readContext(message);
  const methodology = methodologyOf(method);
  const { refs, cadenceId } = methodology.references(context);
  const empty: ReferencesJson = { timeboxes: [], goals: [], workItems: [] };
  return { method, cadenceId, references: fileReferences(methodology, empty, refs).references };
}

/**
 * Adds references to the lists that their kinds belong in. What is known stays as it is; a kind without a list is left out, and so is what exceeds 100 in one list.
 * @returns the lists, and what was added
 */
export function fileReferences(
  { listOfKind }: Pick<Methodology, "listOfKind">,
  before: ReferencesJson,
  refs: readonly RefJson[],
): { readonly references: ReferencesJson; readonly added: readonly RefJson[] } {
  const references: ReferencesJson = { ...before };
  const added: RefJson[] = [];
  for (const ref of refs) {
    const list = listOfKind[ref.kind ?? ""];
    if (list === undefined) continue;
    const filed = references[list] ?? [];
    const isKnown = filed.some(({ kind, id }) => kind === ref.kind && id === ref.id);
    if (isKnown || filed.length >= mostReferences) continue;
    references[list] = [...filed, ref];
    added.push(ref);
  }
  return { references, added };
}
