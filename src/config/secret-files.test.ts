import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createSecretFiles, linesOf, oneLine } from "./secret-files.ts";

let dir: string;
let path: string;
let told: string[];
let secrets: ReturnType<typeof createSecretFiles>;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "secrets-"));
  path = join(dir, "token");
  told = [];
  secrets = createSecretFiles((name, why) => told.push(`${name}: ${why}`));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const replace = (file: string, text: string) => {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
};

it("gives the secret that the file holds now, also after it was replaced", () => {
  writeFileSync(path, "first\n");
  const token = secrets.open("worker-token", [path], oneLine);
  expect([token(), token()]).toEqual(["first", "first"]);
  replace(path, "other");
  expect(token()).toBe("other");
  expect(told).toEqual([]);
});

it.each([
  ["empty", "\n", "it is empty"],
  ["cut in a character", Buffer.from([0x61, 0xc3]), "bytes that are no text"],
  ["of two lines", "one\ntwo\n", "it must hold one line"],
])("keeps the secret before while the file is %s, says so once, and takes the next one", (_, content, why) => {
  writeFileSync(path, "first\n");
  const token = secrets.open("worker-token", [path], oneLine);
  writeFileSync(path, content);
  expect([token(), token()]).toEqual(["first", "first"]);
  expect(secrets.states()).toMatchObject([{ name: "worker-token", isUsable: false }]);
  expect(told).toHaveLength(1);
  expect(told[0]).toContain(`worker-token: the secret worker-token in ${path} can't be used: `);
  expect(told[0]).toContain(why);
  replace(path, "second\n");
  expect(token()).toBe("second");
  expect(secrets.states()).toMatchObject([{ isUsable: true }]);
  expect(told).toHaveLength(1);
});

it("keeps the secret before while the file is away", () => {
  writeFileSync(path, "first\n");
  const token = secrets.open("worker-token", [path], oneLine);
  rmSync(path);
  expect([token(), token()]).toEqual(["first", "first"]);
  expect(told).toHaveLength(1);
  expect(told[0]).toContain("ENOENT");
});

it("refuses a file that is missing or empty at the start, by its name", () => {
  expect(() => secrets.open("worker-token", [path], oneLine)).toThrow(`worker-token in ${path} can't be used: ENOENT`);
  writeFileSync(path, "\n");
  expect(() => secrets.open("worker-token", [path], oneLine)).toThrow(`${path} can't be used: it is empty`);
});

it("gives files of a folder that is swapped as a whole, as kubelet does it, from the same version", () => {
  const version = (name: string, text: string) => {
    mkdirSync(join(dir, name));
    for (const file of ["id", "key"]) writeFileSync(join(dir, name, file), `${text}-${file}`);
    symlinkSync(name, join(dir, "..data.new"));
    renameSync(join(dir, "..data.new"), join(dir, "..data"));
  };
  version("1", "old");
  for (const file of ["id", "key"]) symlinkSync(join("..data", file), join(dir, file));
  const pair = secrets.open("object-store", [join(dir, "id"), join(dir, "key")], (texts) => texts.join(" "));
  expect(pair()).toBe("old-id old-key");
  version("2", "new");
  expect(pair()).toBe("new-id new-key");
});

it("tells when the files in use were written, and keeps that of the one before", () => {
  writeFileSync(path, "first");
  utimesSync(path, 1_000, 1_000);
  secrets.open("worker-token", [path], oneLine);
  expect(secrets.states()).toMatchObject([{ writtenAt: new Date(1_000_000) }]);
  writeFileSync(path, "");
  expect(secrets.states()).toMatchObject([{ writtenAt: new Date(1_000_000), isUsable: false }]);
});

it("reads lines without blanks around them", () => {
  expect(linesOf("new \r\n\n old\n")).toEqual(["new", "old"]);
});
