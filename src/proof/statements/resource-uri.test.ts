import { describe, expect, it } from "vitest";
import { leafWorkItems, resourceUri, subjectOf } from "./resource-uri.ts";

const product = { kind: "product", id: "shop" };
const item = (id: string) => ({ kind: "backlog_item", id, parent: product });

describe("what a run is about", () => {
  it("is its first work item, not the product that holds it", () => {
    const references = { workItems: [product, item("B-1"), item("B-2")] };
    expect(leafWorkItems(references)).toEqual([item("B-1"), item("B-2")]);
    expect(subjectOf({ runId: "r", references })).toEqual({ kind: "backlog_item", id: "B-1" });
  });

  it("is the product, when that is all it names, and the run, when it names nothing", () => {
    expect(subjectOf({ runId: "r", references: { workItems: [product] } })).toEqual(product);
    expect(subjectOf({ runId: "r", references: {} })).toEqual({ kind: "run", id: "r" });
  });

  it("has a URI whatever its id holds", () => {
    expect(resourceUri("acme", "scrum", "backlog_item", "B/1 ä")).toBe(
      "automation://acme/scrum/backlog_item/B%2F1%20%C3%A4",
    );
  });
});
