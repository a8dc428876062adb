import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { createTokenFile } from "./token-file.ts";

const dir = mkdtempSync(join(tmpdir(), "token-file-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const path = join(dir, "token");

it("gives the token that the file holds now, also after it was replaced", () => {
  const token = createTokenFile(path);
  writeFileSync(path, "first\n");
  expect([token(), token()]).toEqual(["first", "first"]);
  writeFileSync(`${path}.new`, "other");
  renameSync(`${path}.new`, path);
  expect(token()).toBe("other");
});

it("names an empty or missing file", () => {
  writeFileSync(path, "\n");
  expect(createTokenFile(path)).toThrow(/token file .* is empty/);
  expect(createTokenFile(join(dir, "absent"))).toThrow(/ENOENT/);
});
