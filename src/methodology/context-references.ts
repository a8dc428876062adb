import type { ReferencesJson, RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { MethodologyContextJson, ScrumContextJson } from "../gen/automation/v1/run_requested_pb.ts";

/** What a methodology context says, in the terms that are the same for every methodology. */
export interface DerivedReferences {
  readonly method: "scrum";
  /** Id of the sprint; empty when the context names none. */
  readonly cadenceId: string;
  readonly references: ReferencesJson;
}

/**
 * Derives a run's references from what its methodology said: ids trimmed and NFC, empty ones left out, no duplicates.
 * A sprint, a backlog item and an increment belong to their product, a sprint goal to its sprint, as far as those are named.
 * @throws Error when the context names no methodology
 */
export function deriveReferences(context: MethodologyContextJson): DerivedReferences {
  const { product, sprint, goals, backlogItems, increment } = cleanScrum(context);
  const ofProduct = product === "" ? undefined : productRef(product);
  const ofSprint = sprint === "" ? undefined : refOf("sprint", sprint, ofProduct);
  return {
    method: "scrum",
    cadenceId: sprint,
    references: {
      timeboxes: listed(ofSprint),
      goals: goals.map((goal) => refOf("sprint_goal", goal, ofSprint)),
      workItems: [
        ...backlogItems.map((item) => refOf("backlog_item", item, ofProduct)),
        ...(increment === "" ? [] : [incrementRef(increment, product)]),
        ...listed(ofProduct),
      ],
    },
  };
}

/** @param product - empty when it is not known */
export function incrementRef(id: string, product: string): RefJson {
  return refOf("increment", id, product === "" ? undefined : productRef(product));
}

/**
 * The Scrum part of a context with every id as references have it; an id that is absent is empty.
 * @throws Error when the context is not Scrum's
 */
export function cleanScrum({ scrum }: MethodologyContextJson): Required<ScrumContextJson> {
  if (scrum === undefined) throw new Error("context names no methodology: context.scrum is required; add it");
  return {
    product: cleanId(scrum.product),
    sprint: cleanId(scrum.sprint),
    goals: cleanIds(scrum.goals),
    backlogItems: cleanIds(scrum.backlogItems),
    increment: cleanId(scrum.increment),
    definitionOfDone: cleanId(scrum.definitionOfDone),
  };
}

function cleanId(id = ""): string {
  return id.normalize("NFC").trim();
}

function cleanIds(ids: readonly string[] = []): string[] {
  return [...new Set(ids.map(cleanId))].filter((id) => id !== "");
}

function productRef(id: string): RefJson {
  return { kind: "product", id };
}

function refOf(kind: string, id: string, parent: RefJson | undefined): RefJson {
  return parent === undefined ? { kind, id } : { kind, id, parent };
}

function listed(ref: RefJson | undefined): RefJson[] {
  return ref === undefined ? [] : [ref];
}
