import { describe, expect, it } from "vitest";
import { leafWorkItems, subjectOf } from "./run-subject.ts";

const product = { kind: "product", id: "shop" };
const item = (id: string) => ({ kind: "backlog_item", id, parent: product });

describe("what a run is about", () => {
  it("is its first work item, not the product that holds it", () => {
    const references = { workItems: [product, item("B-1"), item("B-2")] };
    expect(leafWorkItems(references)).toEqual([item("B-1"), item("B-2")]);
    expect(subjectOf({ runId: "r", references })).toEqual({ kind: "backlog_item", id: "B-1" });
  });

  it("is one version of it, where the methodology has versions", () => {
    const versioned = { kind: "deliverable", id: "D-1", version: "3" };
    expect(subjectOf({ runId: "r", references: { workItems: [versioned] } })).toEqual(versioned);
  });

  it("is the product, when that is all it names, and the run, when it names nothing", () => {
    expect(subjectOf({ runId: "r", references: { workItems: [product] } })).toEqual(product);
    expect(subjectOf({ runId: "r", references: {} })).toEqual({ kind: "run", id: "r" });
  });
});
