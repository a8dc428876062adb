import type { ReferencesJson, RefJson } from "../../gen/automation/v1/ref_pb.ts";

/** The work items of a run that are not the parent of another: its backlog items and not their product. */
export function leafWorkItems({ workItems = [] }: ReferencesJson): RefJson[] {
  const contains = (outer: RefJson, { parent }: RefJson) => parent?.kind === outer.kind && parent?.id === outer.id;
  return workItems.filter((outer) => !workItems.some((inner) => contains(outer, inner)));
}

/** What a run is about: its first work item, or the run itself when it has none. */
export function subjectOf(run: { readonly runId: string; readonly references: ReferencesJson }): {
  readonly kind: string;
  readonly id: string;
  readonly version?: string;
} {
  const [first] = leafWorkItems(run.references);
  if (first === undefined) return { kind: "run", id: run.runId };
  const { kind = "", id = "", version } = first;
  return { kind, id, ...(version === undefined ? {} : { version }) };
}
