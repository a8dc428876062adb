import type { JsonObject } from "@bufbuild/protobuf";
import type { RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { ScrumContextJson } from "../gen/automation/v1/run_requested_pb.ts";
import type {
  AttachIncrementEvidenceRequestJson,
  AttachIncrementEvidenceResponseJson,
  RaiseImpedimentRequestJson,
  RaiseImpedimentResponseJson,
  RecordItemDoneRequestJson,
} from "../gen/scrum/v1/scrum_service_pb.ts";
import { ScrumService } from "../gen/scrum/v1/scrum_service_pb.ts";
import type { CallDraft, Methodology } from "./methodology.ts";

/** Scrum, by the Scrum Guide 2020: a context is a ScrumContext, and the service serves `scrum.v1`. */
export const scrum: Methodology = {
  method: "scrum",
  service: ScrumService,
  listOfKind: {
    sprint: "timeboxes",
    sprint_goal: "goals",
    backlog_item: "workItems",
    increment: "workItems",
    product: "workItems",
  },

  /** A sprint, a backlog item and an increment belong to their product, a sprint goal to its sprint, as far as those are named. */
  references(context) {
    const { product, sprint, goals, backlogItems, increment } = clean(context);
    const ofProduct = refsOf("product", [product]);
    const ofSprint = refsOf("sprint", [sprint], ofProduct[0]);
    return {
      cadenceId: sprint,
      refs: [
        ...ofSprint,
        ...refsOf("sprint_goal", goals, ofSprint[0]),
        ...refsOf("backlog_item", backlogItems, ofProduct[0]),
        ...refsOf("increment", [increment], ofProduct[0]),
        ...ofProduct,
      ],
    };
  },

  /** An increment without a name is the service's to pick. Without backlog items no item is reported done. */
  completionCalls(context) {
    const { product, sprint, goals, backlogItems, increment, definitionOfDone } = clean(context);
    const attach: AttachIncrementEvidenceRequestJson = { product, sprint, increment, goals };
    const done: RecordItemDoneRequestJson = { product, sprint, backlogItems, definitionOfDone };
    return [
      draft("AttachIncrementEvidence", attach),
      ...(backlogItems.length === 0 ? [] : [draft("RecordItemDone", done)]),
    ];
  },

  impedimentCall(context, report) {
    const { product, sprint, backlogItems } = clean(context);
    const raise: RaiseImpedimentRequestJson = { product, sprint, backlogItems, ...report };
    return draft("RaiseImpediment", raise);
  },

  returned({ rpc, payload }, answer) {
    if (rpc === "AttachIncrementEvidence") {
      const { product = "" } = payload as AttachIncrementEvidenceRequestJson;
      const { incrementId = "" } = answer as AttachIncrementEvidenceResponseJson;
      return refsOf("increment", [incrementId], refsOf("product", [product])[0]);
    }
    if (rpc === "RaiseImpediment") {
      const { impedimentId = "" } = answer as RaiseImpedimentResponseJson;
      return refsOf("impediment", [impedimentId]);
    }
    return [];
  },
};

function draft(rpc: string, payload: object): CallDraft {
  return { rpc, payload: payload as JsonObject };
}

/** @returns every id trimmed and NFC; one that is absent is empty */
function clean(context: JsonObject): Required<ScrumContextJson> {
  const { product, sprint, goals, backlogItems, increment, definitionOfDone } = context as ScrumContextJson;
  return {
    product: cleanId(product),
    sprint: cleanId(sprint),
    goals: cleanIds(goals),
    backlogItems: cleanIds(backlogItems),
    increment: cleanId(increment),
    definitionOfDone: cleanId(definitionOfDone),
  };
}

function cleanId(id = ""): string {
  return id.normalize("NFC").trim();
}

function cleanIds(ids: readonly string[] = []): string[] {
  return [...new Set(ids.map(cleanId))].filter((id) => id !== "");
}

/** @param ids - empty ones are left out */
function refsOf(kind: string, ids: readonly string[], parent?: RefJson): RefJson[] {
  return ids.filter((id) => id !== "").map((id) => (parent === undefined ? { kind, id } : { kind, id, parent }));
}
