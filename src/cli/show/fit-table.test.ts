import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { alignColumns, fitColumns } from "./fit-table.ts";

const now = Date.parse("2026-01-31T12:00:00Z");
const ids = ["RUN", "a34bac04-2a06-5404-af0a-994c972be5e7", "a34bac04-2a06-6404-af0a-994c972be5e7"];
const columns = [
  ids,
  ["STATUS", "COMPLETED", "FAILED"],
  ["PROFILE", "scrum-team-tested@1", "scrum-team@2"],
  ["WORK ITEMS", "backlog_item:PBI-42", "backlog_item:PBI-43"],
  ["CREATED", "2026-01-31T11:35:00Z", "2026-01-28T11:00:00Z"],
  ["ENDED", "2026-01-31T11:36:00Z", "2026-02-01T12:00:00Z"],
  ["REASON", "", "the tests do not pass any more since the change"],
];
const lines = (width: number, of = columns) => alignColumns(fitColumns(of, width, now) ?? []);

describe("a table that does not fit the terminal", () => {
  it("is left alone where there is room", () => {
    expect(fitColumns(columns, 500, now)).toEqual(columns);
  });

  it("shows of ids as much as tells them apart, and of times how long ago they were", () => {
    expect(lines(137)).toEqual([
      "RUN              STATUS     PROFILE              WORK ITEMS           CREATED  ENDED    REASON",
      "a34bac04-2a06-5  COMPLETED  scrum-team-tested@1  backlog_item:PBI-42  25m ago  24m ago",
      "a34bac04-2a06-6  FAILED     scrum-team@2         backlog_item:PBI-43  3d ago   in 1d    the tests do not pass any more since the change",
    ]);
  });

  it.each([80, 100, 120])("never is wider than %i columns, and has no space at a line's end", (width) => {
    const shown = lines(width);
    expect(shown).toHaveLength(3);
    for (const line of shown) {
      expect(stringWidth(line)).toBeLessThanOrEqual(width);
      expect(line).toBe(line.trimEnd());
    }
    expect(shown[1]).toContain("COMPLETED");
    expect(shown[2]).toMatch(/back\S*43/);
  });

  it("is no table any more where nothing would be left to read", () => {
    expect(fitColumns(columns, 40, now)).toBeUndefined();
  });

  it.each(["漢字".repeat(30), "e\u0301".repeat(60), "👩‍👩‍👧‍👦".repeat(30), "🇩🇪".repeat(30)])(
    "counts what a terminal shows, and cuts between characters: %s",
    (text) => {
      const wide = [
        ["NAME", text, "x"],
        ["OTHER", "a", "b"],
      ];
      const shown = lines(40, wide);
      for (const line of shown) expect(stringWidth(line)).toBeLessThanOrEqual(40);
      expect(shown[1]?.indexOf("…")).toBeGreaterThan(0);
      expect(shown[1]?.isWellFormed()).toBe(true);
      const at = (line = "") => stringWidth(line.slice(0, line.search(/[ab]$/)));
      expect(at(shown[1])).toBe(at(shown[2]));
    },
  );

  it("takes no time for texts without an end", () => {
    expect(
      lines(60, [
        ["A", "x".repeat(1_000_000)],
        ["B", "y z ".repeat(1_000_000)],
      ]),
    ).toHaveLength(2);
  });
});
