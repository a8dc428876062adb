import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PatchTooLargeError } from "./patch-change.ts";
import { readPatch } from "./read-patch.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "read-patch-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const git = (...args: string[]): Buffer =>
  execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.org", ...args], {
    env: { PATH: "/usr/bin:/bin", GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" },
    maxBuffer: 64 * 1024 * 1024,
  });
const write = (path: string, content: string | Buffer) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
};
const patchOf = (change: () => void): Buffer => {
  git("add", "-A");
  git("commit", "-q", "--allow-empty", "-m", "base");
  change();
  git("add", "-A");
  git("commit", "-q", "--allow-empty", "-m", "changed");
  return git("diff", "--binary", "--full-index", "-M", "HEAD~1", "HEAD");
};
/** What git itself says, in the reader's words. */
const rawChanges = () => {
  const fields = git("diff", "--raw", "-z", "--full-index", "-M", "HEAD~1", "HEAD").toString().split("\0");
  const found: Record<string, string>[] = [];
  for (let at = 0; at + 1 < fields.length; ) {
    const [, mode = "", , , state = ""] = (fields[at] ?? "").split(" ");
    const isRename = state.startsWith("R");
    found.push({ state: state.charAt(0).replace("T", "M"), mode, path: fields[at + (isRename ? 2 : 1)] ?? "" });
    at += isRename ? 3 : 2;
  }
  return found;
};
const noise = (size: number, seed: number) =>
  Buffer.from(Array.from({ length: size }, (_, at) => (at * at * seed) % 251));

describe("a patch by git", () => {
  it("is read as the changes that git lists, whatever the names and contents", () => {
    git("init", "-q");
    write("keep.txt", "a\n");
    write("edited.txt", "one\ntwo\nthree\n");
    write("crlf.txt", "one\r\ntwo\r\n");
    write("no newline.txt", "one");
    write("deleted.txt", "-- a\n++ b\n");
    write("empty-deleted.txt", "");
    write("moved.txt", "the same content, long enough to be found again\n".repeat(5));
    write("moved and edited.txt", "content that stays mostly as it is\n".repeat(20));
    write("mode.sh", "echo\n");
    write("becomes-link", "text\n");
    write("picture.bin", noise(5000, 7));
    symlinkSync("keep.txt", join(folder, "link"));
    const patch = patchOf(() => {
      write("edited.txt", "one\n-- two\n+++ b/x\nthree\n@@ -1 +1 @@\n");
      write("crlf.txt", "one\r\nTWO\r\n");
      write("no newline.txt", "two");
      rmSync(join(folder, "deleted.txt"));
      rmSync(join(folder, "empty-deleted.txt"));
      mkdirSync(join(folder, "sub/deep"), { recursive: true });
      renameSync(join(folder, "moved.txt"), join(folder, "sub/moved ö.txt"));
      rmSync(join(folder, "moved and edited.txt"));
      write("sub/edited too.txt", `${"content that stays mostly as it is\n".repeat(20)}more\n`);
      chmodSync(join(folder, "mode.sh"), 0o755);
      rmSync(join(folder, "becomes-link"));
      symlinkSync("../outside", join(folder, "becomes-link"));
      rmSync(join(folder, "link"));
      symlinkSync("edited.txt", join(folder, "link"));
      write("picture.bin", Buffer.concat([noise(5000, 7), noise(900, 11)]));
      write("new.bin", noise(3000, 13));
      write("empty-new.txt", "");
      write('quote"back\\slash\ttab\nline.txt', "odd\n");
      write("ünïcode b/x b/y.txt", "b\n");
      write(" leading and trailing ", "space\n");
    });
    const changes = readPatch(patch, 100);
    const letters: Record<string, string> = { ADDED: "A", MODIFIED: "M", DELETED: "D", RENAMED: "R" };
    const seen = changes.map(({ kind, path, mode }) => ({
      state: letters[kind.replace("CHANGE_KIND_", "")] ?? "?",
      mode: mode ?? (kind === "CHANGE_KIND_DELETED" ? "000000" : "100644"),
      path,
    }));
    const byPath = (a: { path?: string }, b: { path?: string }) => ((a.path ?? "") < (b.path ?? "") ? -1 : 1);
    expect(seen.toSorted(byPath)).toEqual(rawChanges().toSorted(byPath));
    expect(seen.length).toBe(15);
    const find = (path: string) => changes.find((change) => change.path === path);
    expect(find("edited.txt")?.added).toEqual([
      { line: 2, text: "-- two" },
      { line: 3, text: "+++ b/x" },
      { line: 5, text: "@@ -1 +1 @@" },
    ]);
    expect(find("becomes-link")?.added).toEqual([{ line: 1, text: "../outside" }]);
    expect(find("becomes-link")).toMatchObject({ mode: "120000", previousMode: "100644" });
    expect(find("crlf.txt")?.added).toEqual([{ line: 2, text: "TWO\r" }]);
    expect(find("sub/moved ö.txt")?.previousPath).toBe("moved.txt");
    expect(Buffer.from(find("new.bin")?.binary ?? []).equals(noise(3000, 13))).toBe(true);
  });

  it("shows empty files that come and go", () => {
    git("init", "-q");
    write("empty.txt", "");
    expect(
      readPatch(
        patchOf(() => rmSync(join(folder, "empty.txt"))),
        100,
      ),
    ).toEqual([{ kind: "CHANGE_KIND_DELETED", path: "empty.txt", previousMode: "100644", added: [] }]);
    expect(
      readPatch(
        patchOf(() => write("empty.txt", "")),
        100,
      ),
    ).toEqual([{ kind: "CHANGE_KIND_ADDED", path: "empty.txt", mode: "100644", added: [] }]);
  });

  it("that changes nothing is no change", () => {
    expect(readPatch(new Uint8Array(), 100)).toEqual([]);
  });
});

const zero = "0".repeat(40);
const blob = "1".repeat(40);
const added = (path = "x", mode = "100644", content = "+a\n") =>
  `diff --git a/${path} b/${path}\nnew file mode ${mode}\nindex ${zero}..${blob}\n--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n${content}`;

describe("a patch that is not understood whole", () => {
  it("is compared with one that is", () => {
    expect(readPatch(Buffer.from(added()), 100)).toMatchObject([
      { kind: "CHANGE_KIND_ADDED", path: "x", mode: "100644" },
    ]);
  });

  it.each([
    ["text before it", `hello\n${added()}`, "expected `diff --git`"],
    ["text after it", `${added()}From: somebody\n`, "expected `diff --git`"],
    ["a cut", added().slice(0, -1), "cut off"],
    ["a cut hunk", added("x", "100644", ""), "cut off"],
    ["an unknown header", added().replace("new file", "copy from y\nnew file"), "without a mode"],
    ["a setuid mode", added("x", "104755"), "mode 104755"],
    ["a mode of a folder", added("x", "040000"), "mode 040000"],
    ["another name in its content", added().replace("+++ b/x", "+++ b/y"), "contradict"],
    ["another name in its header", added().replace("b/x\n", "b/y\n"), "contradict"],
    ["another prefix", added().replace("a/x b/x", "c/x d/x"), "contradict"],
    ["a path that climbs", added("../x"), "no tree can hold"],
    ["a path into git's folder", added("sub/.GIT/hooks/pre-commit"), "no tree can hold"],
    ["an absolute path", added("/etc/passwd"), "no tree can hold"],
    ["too many lines", added("x", "100644", "+a\n+b\n"), "expected `diff --git`"],
    ["a line without mark", added("x", "100644", "a\n"), "unknown mark"],
    ["one path twice", added() + added(), "two changes of one path"],
    ["short object ids", added().replace(blob, "1111111"), "full object ids"],
    [
      "binary files that differ",
      `diff --git a/x b/x\nindex ${zero}..${blob} 100644\nBinary files a/x and b/x differ\n`,
      "without its content",
    ],
    ["a rename without its other name", "diff --git a/x b/y\nsimilarity index 100%\nrename from x\n", "two names"],
    ["no change", "diff --git a/x b/x\n", "without a mode"],
    ["broken quoting", added('"a\\9"'), "contradict"],
    [
      "binary content that lies about its size",
      `diff --git a/x b/x\nnew file mode 100644\nindex ${zero}..${blob}\nGIT binary patch\nliteral 9\nHcmZQzWMT#Y01f~L\n\nliteral 0\nHcmV?d00001\n\n`,
      "binary content",
    ],
  ])("is refused: %s", (_case, patch, fault) => {
    expect(() => readPatch(Buffer.from(patch), 100)).toThrow(fault);
  });

  it("is not read further once it changes more files than were reported", () => {
    const three = ["x", "y", "z"].map((name) => added().replaceAll("/x", `/${name}`)).join("");
    expect(() => readPatch(Buffer.from(`${three}this is no patch\n`), 1)).toThrow("more than the 1 files reported");
  });

  it("is too large, before it is unpacked, when its binary files unpack to more than 128 MiB together", () => {
    const of = (size: number) =>
      `diff --git a/x b/x\nnew file mode 100644\nindex ${zero}..${blob}\nGIT binary patch\nliteral ${size}\n`;
    expect(() => readPatch(Buffer.from(`${of(2 ** 26 + 1)}zno base85\n\n`), 1)).toThrow(PatchTooLargeError);
    git("init", "-q");
    const one = patchOf(() => write("a.bin", Buffer.alloc(44 * 2 ** 20))).toString("latin1");
    const three = ["a.bin", "b.bin", "c.bin"].map((name) => one.replaceAll("a.bin", name)).join("");
    expect(() => readPatch(Buffer.from(three, "latin1"), 3)).toThrow("unpack to more than 128 MiB together");
  });

  it("is refused when its names are not UTF-8", () => {
    expect(() =>
      readPatch(Buffer.from(added('"\\377"').replaceAll('a/"', '"a/').replaceAll('b/"', '"b/')), 100),
    ).toThrow("UTF-8");
  });
});
