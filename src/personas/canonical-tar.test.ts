import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { BundleFile } from "./canonical-tar.ts";
import { decodeTar, encodeTar, InvalidBundleError } from "./canonical-tar.ts";

const file = (path: string, text = "", isExecutable = false): BundleFile => ({
  path,
  isExecutable,
  bytes: Buffer.from(text),
});
const long = `${"d".repeat(90)}/${"e".repeat(60)}/${"f".repeat(99)}`;
const files = [
  file("main.mjs", "1;\n"),
  file("run.sh", "#!/bin/sh\n", true),
  file("lib/ä.mjs"),
  file("lib.mjs"),
  file(long, "far"),
];
const tar = encodeTar(files);
const sorted = ["lib.mjs", "lib/ä.mjs", "main.mjs", "run.sh"];
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** @returns the tar with a field of its first header changed, its checksum made right again */
function altered(offset: number, text: string, of = tar): Buffer {
  const copy = Buffer.from(of);
  copy.write(text, offset, "latin1");
  copy.write("        ", 148, "latin1");
  const sum = copy.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return copy;
}

const reasonOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidBundleError) return error.message;
    throw error;
  }
  return "accepted";
};

describe("the tar of a bundle", () => {
  it("is the same bytes for the same files, in whatever order they come, today and later", () => {
    expect(encodeTar(files.toReversed())).toEqual(tar);
    expect(sha256(tar)).toBe("c91c9603e03a44817ba948e14b17bca2a79bf0c0c3cb09d01f313f00f0d9c81d");
  });

  it("reads back as what was written, in byte order", () => {
    const read = decodeTar(tar);
    expect(read.map(({ path }) => path)).toEqual([long, ...sorted]);
    expect(read.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(["far", "", "", "1;\n", "#!/bin/sh\n"]);
    expect(read.filter(({ isExecutable }) => isExecutable).map(({ path }) => path)).toEqual(["run.sh"]);
    expect(encodeTar(read)).toEqual(tar);
  });

  it("is listed and extracted by the system's tar, modes and names with it", () => {
    const dir = mkdtempSync(join(tmpdir(), "automation-tar-"));
    try {
      writeFileSync(join(dir, "bundle.tar"), tar);
      const run = (...args: string[]) => {
        const { stdout, stderr, status } = spawnSync("tar", args, { cwd: dir, encoding: "utf8" });
        expect([status, stderr]).toEqual([0, ""]);
        return stdout.split("\n").filter(Boolean);
      };
      expect(run("--quoting-style=literal", "-tf", "bundle.tar")).toEqual([long, ...sorted]);
      run("-xf", "bundle.tar");
      expect(readFileSync(join(dir, long), "utf8")).toBe("far");
      expect(readFileSync(join(dir, "lib/ä.mjs"), "utf8")).toBe("");
      expect(statSync(join(dir, "run.sh")).mode & 0o100).toBe(0o100);
      expect(statSync(join(dir, "main.mjs")).mode & 0o100).toBe(0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it.each([
    ["another mode", altered(100, "0000777\0"), 'has mode "0000777\\u0000", must have "0000644\\u0000"'],
    ["an owner", altered(108, "0001750\0"), "has uid"],
    ["a time", altered(136, "14000000000\0"), "has mtime"],
    ["a name of the owner", altered(265, "root"), "has uname"],
    ["bytes after a name's end", altered(50, "x", encodeTar([file("a")])), "has name"],
    ["another format", altered(257, "ustar  \0"), "has magic"],
    ["a size in another form", altered(124, "         0 \0"), "has size"],
    ["a link", altered(156, "2"), 'has type "2"; links, folders and special files are refused'],
    ["a folder", altered(156, "5"), 'has type "5"'],
    ["an extended header", altered(156, "x"), 'has type "x"'],
    ["a wrong checksum", Buffer.concat([tar.subarray(0, 148), Buffer.from("000000"), tar.subarray(154)]), "checksum"],
    ["more at its end", Buffer.concat([tar, Buffer.alloc(512)]), "must end with two empty blocks"],
    ["less at its end", tar.subarray(0, -512), "must end with two empty blocks"],
    ["a part of itself", tar.subarray(0, 700), "is cut off"],
    ["bytes between files", Buffer.concat([tar.subarray(0, 600), Buffer.from("x"), tar.subarray(601)]), "not 0"],
    ["nothing", Buffer.alloc(0), "is cut off"],
    ["gzip", Buffer.from("1f8b0800", "hex"), "is cut off"],
  ])("with %s is refused, and the reason says what differs", (_, bytes, reason) => {
    expect(reasonOf(() => decodeTar(bytes))).toContain(reason);
  });

  it("whose files are out of order, or there twice, is refused", () => {
    const [a, b] = [encodeTar([file("a")]), encodeTar([file("b")])].map((each) => each.subarray(0, 512));
    const end = Buffer.alloc(1024);
    expect(reasonOf(() => decodeTar(Buffer.concat([b ?? end, a ?? end, end])))).toContain('"a" is out of order');
    expect(reasonOf(() => decodeTar(Buffer.concat([a ?? end, a ?? end, end])))).toContain('"a" is out of order');
  });

  it.each([
    ["/etc/passwd", "is absolute"],
    ["../up", '".."'],
    ["a/../b", '".."'],
    ["./a", '"."'],
    ["a//b", "empty"],
    ["a/", "empty"],
    ["", "has no name"],
    ["a\nb", "control character"],
    ["a\\b", "backslash"],
    ["a\u0308", "normalisation form C"],
    ["d/".repeat(20).concat("f"), "21 levels deep"],
    ["n".repeat(101), "too long"],
    [`${"p".repeat(156)}/n`, "too long"],
  ])("never holds the path %j", (path, reason) => {
    expect(reasonOf(() => encodeTar([file(path)]))).toContain(reason);
  });

  it("is refused with such a path from elsewhere, too", () => {
    const hostile = altered(0, "..", encodeTar([file("xx/up")]));
    expect(reasonOf(() => decodeTar(hostile))).toContain('path "../up" has a part');
  });

  it("has no name twice, nor a file where a folder is", () => {
    expect(reasonOf(() => encodeTar([file("a"), file("a")]))).toContain('"a" is there twice');
    expect(reasonOf(() => encodeTar([file("a"), file("a.b"), file("a/b")]))).toContain('"a" is a file and a folder');
  });

  it("has at most 4 MiB and 1,000 files", () => {
    const largest = { ...file("a"), bytes: new Uint8Array(4 * 1024 * 1024 - 1536) };
    expect(encodeTar([largest]).byteLength).toBe(4 * 1024 * 1024);
    const larger = { ...largest, bytes: new Uint8Array(4 * 1024 * 1024 - 1535) };
    expect(reasonOf(() => encodeTar([larger]))).toContain("4194816 bytes; 4194304 (4 MiB) are allowed");
    expect(reasonOf(() => decodeTar(new Uint8Array(4 * 1024 * 1024 + 512)))).toContain("are allowed");
    const many = Array.from({ length: 1_001 }, (_, index) => file(`f${index}`));
    expect(decodeTar(encodeTar(many.slice(1)))).toHaveLength(1_000);
    expect(reasonOf(() => encodeTar(many))).toContain("more than 1000 files");
  });
});
