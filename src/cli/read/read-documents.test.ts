import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { CliError } from "../cli-error.ts";
import { readDocuments } from "./read-documents.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "automation-documents-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function fault(content: string | Uint8Array): CliError {
  const file = join(folder, "x.yaml");
  writeFileSync(file, content);
  try {
    readDocuments(file);
  } catch (error) {
    return error as CliError;
  }
  throw new Error("it was read");
}

const nested = (levels: number) =>
  Array.from({ length: levels }, (_, level) =>
    level === 0 ? "a0: &a0 [x, x, x]" : `a${level}: &a${level} [*a${level - 1}, *a${level - 1}, *a${level - 1}]`,
  ).join("\n");

it.each([
  ["what stands within what it repeats", "a: &a\n  b: [*a]\n", 2, 7],
  ["broken YAML", "a:\n - b\n - c: [", 3, undefined],
  ["broken JSON", '{"kind": "x",\n "spec": {,}}', 2, 11],
  ["a key that is no text", "? [a]\n: x", 1, 3],
  ["a tag that nobody knows", "kind: !!js/function x", 1, 7],
  ["an integer that would be rounded", "a: 9007199254740993", 1, 4],
  ["a name twice", "a: 1\na: 2", 2, 1],
  ["brackets without an end", "[".repeat(20_000), 1, undefined],
])("tells line and column of %s", (_, text, line, column) => {
  const { exitCode, details } = fault(text);
  expect(exitCode).toBe(2);
  expect(details).toMatchObject([{ line, remedy: expect.any(String), ...(column === undefined ? {} : { column }) }]);
});

it.each([
  ["aliases that repeat each other", nested(9), "too_large", /more than 100 values/],
  ["bytes of another encoding", Uint8Array.of(0x61, 0x0a, 0x62, 0xe9), "not_utf8", /x\.yaml:2: not UTF-8/],
  ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x61, 0), "not_utf8", /not UTF-8/],
  ["a long file", "#\n".repeat(600_000), "too_large", /larger than 1 MiB/],
])("refuses %s in one line", (_, text, code, message) => {
  const error = fault(text);
  expect(error).toMatchObject({ exitCode: 2, code, remedy: expect.any(String) });
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain("\n");
});

it("never reads a file without an end to its end", () => {
  expect(() => readDocuments("/dev/zero")).toThrow(/larger than 1 MiB/);
});

it("says that a folder is one, and that nothing is there", () => {
  expect(() => readDocuments(folder)).toThrow(/is a folder; name a file/);
  expect(() => readDocuments(join(folder, "no"))).toThrow(/does not exist/);
});

it("leaves a byte order mark, large decimals and short aliases alone", () => {
  const file = join(folder, "good.yaml");
  writeFileSync(file, "\ufeffa: &a 1e300\nb: [*a, 9007199254740991]\n---\n---\nc: 1");
  expect(readDocuments(file).map(({ json }) => json)).toEqual([{ a: 1e300, b: [1e300, 9007199254740991] }, { c: 1 }]);
});

describe("numbers of a file", () => {
  const read = (text: string) => {
    const file = join(folder, "numbers.yaml");
    writeFileSync(file, text);
    return readDocuments(file).map(({ json }) => json);
  };
  it("are kept as they are written", () => {
    expect(read("a: [0x1F, 0o17, +5, .5, 1.50, -0, 9007199254740992]")).toEqual([
      { a: [31, 15, 5, 0.5, 1.5, -0, 9007199254740992] },
    ]);
  });

  it.each(["1524831183200260097", "0.10000000000000001", "1e400", ".inf", ".nan"])(
    "are refused with their line when JSON would change them: %s",
    (number) => {
      expect(() => read(`a: 1\nb:\n  - ${number}`)).toThrow(
        `numbers.yaml:3:5: ${number}: must be a number that a double`,
      );
    },
  );
});
