import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openGrowing } from "./growing-file.ts";

let folder: string;
let log: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "automation-log-"));
  log = join(folder, "api.log");
});
afterEach(() => rmSync(folder, { recursive: true }));

it("tells whole lines as they are added, characters that come in pieces too", () => {
  const file = openGrowing(log, 1_000);
  expect(file.next()).toEqual([]);
  writeFileSync(log, "one\ntw");
  expect(file.next()).toEqual(["one"]);
  const rest = Buffer.from("o grün\n");
  for (const byte of rest) appendFileSync(log, Buffer.of(byte));
  expect(file.next()).toEqual(["two grün"]);
  for (const byte of Buffer.from("é\n")) {
    appendFileSync(log, Buffer.of(byte));
    if (byte !== 10) expect(file.next()).toEqual([]);
  }
  expect(file.next()).toEqual(["é"]);
});

it("goes on with a file that was set aside or cut", () => {
  writeFileSync(log, "one\ntwo\n");
  const file = openGrowing(log, 1_000);
  file.next();
  renameSync(log, `${log}.1`);
  writeFileSync(log, "three, which is longer than before\n");
  expect(file.next()).toEqual(["three, which is longer than before"]);
  writeFileSync(log, "x\n");
  expect(file.next()).toEqual(["x"]);
});

it("begins near the end of a long file, with a whole line", () => {
  writeFileSync(log, `${"a line\n".repeat(100_000)}last\n`);
  expect(openGrowing(log, 15).next()).toEqual(["a line", "last"]);
});
