import type { ReferencesJson, RefJson } from "../../gen/automation/v1/ref_pb.ts";

/** @returns `automation://<tenant>/<segment>/…`, each segment percent-encoded */
export function resourceUri(tenant: string, ...segments: readonly string[]): string {
  return `automation://${tenant}/${segments.map(encodeURIComponent).join("/")}`;
}

/** The work items of a run that are not the parent of another: its backlog items and not their product. */
export function leafWorkItems({ workItems = [] }: ReferencesJson): RefJson[] {
  const contains = (outer: RefJson, { parent }: RefJson) => parent?.kind === outer.kind && parent?.id === outer.id;
  return workItems.filter((outer) => !workItems.some((inner) => contains(outer, inner)));
}

/** What a run is about: its first work item, or the run itself when it has none. */
export function subjectOf(run: {
  readonly runId: string;
  readonly references: ReferencesJson;
}): Required<Pick<RefJson, "kind" | "id">> {
  const [first] = leafWorkItems(run.references);
  return { kind: first?.kind ?? "run", id: first?.id ?? run.runId };
}
