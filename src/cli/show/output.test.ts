import { describe, expect, it } from "vitest";
import { quote } from "../usage/command-line.ts";
import { listUpTo, plain, tableLines } from "./output.ts";

describe("a table", () => {
  it("is aligned and leaves out columns that say nothing", () => {
    const rows = [
      { id: "a", status: "COMPLETED" },
      { id: "longer", status: "FAILED" },
    ];
    const lines = tableLines(rows, [
      { title: "ID", of: ({ id }) => id },
      { title: "RULE", of: () => undefined },
      { title: "STATUS", of: ({ status }) => status },
    ]);
    expect(lines).toEqual(["ID      STATUS", "a       COMPLETED", "longer  FAILED"]);
  });

  it("shows no control character of what is stored", () => {
    expect(plain("a\u001b[31mb\nc\u009b")).toBe("a\\x1b[31mb c\\x9b");
  });
});

describe("a list", () => {
  const pages = async (size: number, token: string) => {
    const from = Number(token);
    const items = Array.from({ length: Math.min(size, 5 - from, 2) }, (_, index) => from + index);
    const next = from + items.length;
    return { items, nextPageToken: next < 5 ? String(next) : "" };
  };

  it("reads pages until it has as many as were asked for, and says that there are more", async () => {
    expect(await listUpTo(3, pages)).toEqual({ items: [0, 1, 2], hasMore: true });
  });

  it("ends with the last page", async () => {
    expect(await listUpTo(50, pages)).toEqual({ items: [0, 1, 2, 3, 4], hasMore: false });
  });
});

it("a printed command reads back as the same words", () => {
  expect(["a-b", "it's", "two words", "$HOME"].map(quote).join(" ")).toBe(`a-b 'it'\\''s' 'two words' '$HOME'`);
});
