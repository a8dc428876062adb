import type { ReferencesJson, RefJson } from "../../gen/automation/v1/ref_pb.ts";

/** @returns `automation://<tenant>/<segment>/…`, each segment percent-encoded */
export function resourceUri(tenant: string, ...segments: readonly string[]): string {
  return `automation://${tenant}/${segments.map(encodeURIComponent).join("/")}`;
}

/** Work items of a run that contain no other one of it: the backlog items and not their product. */
export function leafWorkItems({ workItems = [] }: ReferencesJson): RefJson[] {
  const contains = (outer: RefJson, { parent }: RefJson) => parent?.kind === outer.kind && parent?.id === outer.id;
  return workItems.filter((outer) => !workItems.some((inner) => contains(outer, inner)));
}

/** What a run is about: its first work item, else the run itself. */
export function subjectOf(run: {
  readonly runId: string;
  readonly references: ReferencesJson;
}): Required<Pick<RefJson, "kind" | "id">> {
  const [first] = leafWorkItems(run.references);
  return { kind: first?.kind ?? "run", id: first?.id ?? run.runId };
}
