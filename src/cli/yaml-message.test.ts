import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readDocuments } from "./yaml-message.ts";

const folder = mkdtempSync(join(tmpdir(), "yaml-message-"));
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string): unknown[] {
  const file = join(folder, "file.yaml");
  writeFileSync(file, text);
  return readDocuments(file).map(({ json }) => json);
}

describe("a file of documents", () => {
  it("keeps numbers as they are written", () => {
    expect(read("a: [0x1F, 0o17, +5, .5, 1.50, -0, 9007199254740992]")).toEqual([
      { a: [31, 15, 5, 0.5, 1.5, -0, 9007199254740992] },
    ]);
  });

  it.each(["1524831183200260097", "0.10000000000000001", "1e400", ".inf", ".nan"])(
    "refuses %s, which JSON would change, with its line",
    (number) => {
      expect(() => read(`a: 1\nb:\n  - ${number}`)).toThrow(`file.yaml:3: ${number}: must be a number that a double`);
    },
  );
});
