import { describe, expect, it } from "vitest";
import { deriveReferences, fileReferences, readContext } from "./context-references.ts";

const webshop = { kind: "product", id: "webshop" };
const sprint = { kind: "sprint", id: "S-7", parent: webshop };

describe("references of a Scrum context", () => {
  it("hang on the product and the sprint, so that a query by either finds them", () => {
    const context = {
      scrum: { product: "webshop", sprint: "S-7", goals: ["G-1"], backlogItems: ["PBI-42"], increment: "INC-3" },
    };
    expect(deriveReferences(context)).toEqual({
      method: "scrum",
      cadenceId: "S-7",
      references: {
        timeboxes: [sprint],
        goals: [{ kind: "sprint_goal", id: "G-1", parent: sprint }],
        workItems: [
          { kind: "backlog_item", id: "PBI-42", parent: webshop },
          { kind: "increment", id: "INC-3", parent: webshop },
          webshop,
        ],
      },
    });
  });

  it("are the same for ids that differ only in surrounding space or in how an accent is written", () => {
    const { references } = deriveReferences({
      scrum: { backlogItems: [" PBI-1 ", "PBI-1", "Pru\u0308fung", "Prüfung".normalize("NFC"), "  "] },
    });
    expect(references.workItems).toEqual([
      { kind: "backlog_item", id: "PBI-1" },
      { kind: "backlog_item", id: "Prüfung".normalize("NFC") },
    ]);
  });

  it("leave out what is not named", () => {
    expect(deriveReferences({ scrum: { goals: ["G-1"] } })).toEqual({
      method: "scrum",
      cadenceId: "",
      references: { timeboxes: [], goals: [{ kind: "sprint_goal", id: "G-1" }], workItems: [] },
    });
  });

  it("can't be derived from a context without a methodology", () => {
    expect(() => deriveReferences({})).toThrow("context names no methodology");
  });
});

it("the oneof of a context is read as the method and that method's own context", () => {
  expect(readContext({ scrum: { sprint: "S-7" } })).toEqual({ method: "scrum", context: { sprint: "S-7" } });
});

describe("references that are filed", () => {
  const listOfKind = { objective: "goals", feature: "workItems", model: "elements" } as const;
  const before = { goals: [{ kind: "objective", id: "O-1" }], workItems: [] };

  it("go to the list of their kind, each once, and a kind without a list to none", () => {
    const refs = ["objective", "feature", "model", "feature", "risk"].map((kind) => ({ kind, id: "O-1" }));
    expect(fileReferences({ listOfKind }, before, refs)).toEqual({
      references: {
        goals: [{ kind: "objective", id: "O-1" }],
        workItems: [{ kind: "feature", id: "O-1" }],
        elements: [{ kind: "model", id: "O-1" }],
      },
      added: [
        { kind: "feature", id: "O-1" },
        { kind: "model", id: "O-1" },
      ],
    });
    expect(before.workItems).toEqual([]);
  });

  it("end at a hundred in one list", () => {
    const many = Array.from({ length: 120 }, (_, index) => ({ kind: "feature", id: `F-${index}` }));
    const { references, added } = fileReferences({ listOfKind }, before, many);
    expect(references.workItems).toHaveLength(100);
    expect(added).toHaveLength(100);
  });
});
