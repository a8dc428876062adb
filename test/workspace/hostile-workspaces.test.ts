import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReadOut } from "../../workers/workspace/capture/read-out.ts";
import type { CaptureWorld } from "../support/worlds/capture-world.ts";
import { startCaptureWorld } from "../support/worlds/capture-world.ts";

let world: CaptureWorld;
beforeAll(async () => {
  world = await startCaptureWorld();
});
afterAll(() => world?.close());

const quick = 10_000;

describe("a workspace that was made to harm its capture", () => {
  it("changes nothing by attributes: no filter runs, no line ending is rewritten, no text diff is hidden", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "one\r\ntwo\n", "sub/b.txt": "b\n" });
    await workspace.put({
      ".gitattributes": "* text=auto eol=lf filter=evil diff=evil ident\n",
      "sub/.gitattributes": "*.txt -diff export-ignore working-tree-encoding=UTF-16\n",
      "a.txt": "one\r\ntwo\r\n$Id$\n",
      "sub/b.txt": "changed\n",
    });
    workspace.run("mkdir -p .git/info; printf '* -text' > .git/info/attributes");
    const captured = await workspace.capture();
    const expected = await workspace.treeOf(workspace.dir, [".git"]);
    expect(captured.capture.gitTree).toBe(expected);
    expect(captured.capture.skipped).toEqual([{ path: ".git", reason: "git_folder" }]);
    expect(captured.patch.toString()).toContain("+changed");
    expect(await workspace.treeOf(await workspace.applied(captured))).toBe(expected);
  });

  it("runs none of its hooks, fsmonitors, filters and drivers", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    workspace.run(`
      git init --quiet .
      for name in core.fsmonitor core.sshCommand core.editor diff.external filter.evil.clean filter.evil.smudge diff.evil.textconv core.hooksPath; do
        git config $name "$PWD/../evil"
      done
      printf '#!/bin/sh\\ntouch %s/../ran\\n' "$PWD" > ../evil; chmod 755 ../evil
      for hook in post-index-change pre-commit reference-transaction post-checkout; do cp ../evil .git/hooks/$hook; done
      printf '* filter=evil diff=evil\\n' > .gitattributes; echo b >> a.txt`);
    const { capture } = await workspace.capture();
    expect(capture.changes?.map(({ path }) => path)).toEqual([".gitattributes", "a.txt"]);
    expect(existsSync(`${workspace.dir}/../ran`)).toBe(false);
  });

  it("keeps the files of a repository within, and leaves its .git out, which is no loss", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    workspace.run(`
      git init --quiet nested; cd nested; echo n > n.txt; mkdir deep; echo d > deep/d.txt
      git add -A; git -c user.name=a -c user.email=a@b commit --quiet -m n
      cd ..; git init --quiet commitless; mkdir worktree; echo 'gitdir: /elsewhere' > worktree/.git; echo w > worktree/w.txt`);
    const captured = await workspace.capture();
    expect(captured.capture.changes?.map(({ path, mode }) => `${mode} ${path}`)).toEqual([
      "100644 nested/deep/d.txt",
      "100644 nested/n.txt",
      "100644 worktree/w.txt",
    ]);
    expect(captured.capture.skipped).toEqual([
      { path: "commitless/.git", reason: "git_folder" },
      { path: "nested/.git", reason: "git_folder" },
      { path: "worktree/.git", reason: "git_folder" },
    ]);
    expect(captured.capture.partial).toBe(false);
    await workspace.applied(captured);
  });

  it("gets .git in no other spelling into the tree", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    const spellings = [".GIT", ".Git", "git~1", "GIT~1", ".git.", ".git ", ".git::$INDEX_ALLOCATION", "x\\.git"];
    const invisible = Buffer.from(".g\u200cit").toString("latin1");
    await workspace.put(Object.fromEntries([...spellings, invisible].map((name) => [`s/${name}/config`, "evil\n"])));
    await workspace.put({ "s/.gitmodules": { link: "x" }, "s/.gitx": "fine\n", "s/x.git/config": "fine\n" });
    const captured = await workspace.capture();
    expect(captured.capture.changes?.map(({ path }) => path)).toEqual(["s/.gitx", "s/x.git/config"]);
    expect(captured.capture.skipped?.map(({ reason }) => reason)).toEqual(
      Array.from({ length: spellings.length + 2 }, () => "bad_name"),
    );
    expect(captured.capture.partial).toBe(true);
    await workspace.applied(captured);
  });

  it("is not followed out of the tree by links, whether to files, to folders or to itself", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n", "tests/unit.js": "t\n" });
    workspace.run(
      "rm -r tests; ln -s /etc tests; ln -s /etc/passwd passwd; ln -s . loop; ln -s ../../.. up; ln -s loop/loop l2",
    );
    const captured = await workspace.capture();
    const listed = captured.capture.changes?.map(({ path, mode = "" }) => `${mode} ${path}`);
    expect(listed).toEqual([
      "120000 l2",
      "120000 loop",
      "120000 passwd",
      "120000 tests",
      " tests/unit.js",
      "120000 up",
    ]);
    expect(captured.patch.toString()).not.toContain("root:");
    expect(await workspace.treeOf(await workspace.applied(captured))).toBe(captured.capture.gitTree);
  });

  it(
    "does not block with pipes and devices, and leaves sparse files out by their size",
    async () => {
      const workspace = await world.workspaceOf({ "a.txt": "a\n", "fifo-now.txt": "was a file\n" });
      workspace.run("mkfifo pipe; rm fifo-now.txt; mkfifo fifo-now.txt; truncate -s 3G sparse.bin");
      if (process.getuid?.() === 0) workspace.run("mknod null c 1 3");
      const node = `require("net").createServer().listen("socket", () => process.kill(process.pid, "SIGKILL"))`;
      workspace.run(`'${process.execPath}' -e '${node}' || true`);
      const { capture } = await workspace.capture();
      const special = ["fifo-now.txt", ...(process.getuid?.() === 0 ? ["null"] : []), "pipe", "socket"];
      expect(capture.skipped).toEqual([
        ...special.map((path) => ({ path, reason: "special" })),
        { path: "sparse.bin", reason: "oversize" },
      ]);
      expect(capture.changes).toEqual([{ path: "fifo-now.txt", kind: "CHANGE_KIND_DELETED" }]);
      expect(capture.partial).toBe(true);
    },
    quick,
  );

  it("says what it could not read, and is partial", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n", "b.txt": "b\n", "c/d.txt": "d\n" });
    await workspace.put({ "new.txt": "n\n", "e/f.txt": "f\n" });
    workspace.run("chmod 0 a.txt new.txt c e");
    if (process.getuid?.() === 0) workspace.run("chown 1234 a.txt new.txt c e");
    const { capture } = await workspace.capture();
    expect(capture.skipped).toEqual(["a.txt", "c", "e", "new.txt"].map((path) => ({ path, reason: "unreadable" })));
    expect(capture.partial).toBe(true);
  });

  it("says so when it is closed as a whole", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n", "b/c.txt": "c\n" });
    workspace.run("chmod 0 .");
    const { capture } = await workspace.capture();
    expect(capture.skipped).toEqual([{ path: ".", reason: "unreadable" }]);
    expect(capture.changes?.map(({ kind }) => kind)).toEqual(["CHANGE_KIND_DELETED", "CHANGE_KIND_DELETED"]);
    const { slot, home, workspace: dir } = workspace.asked;
    const readOut = createReadOut({ sandbox: world.sandbox });
    const asked = { slot, home, workspace: dir, path: "a.txt", maxBytes: 100 };
    expect(await readOut(asked, AbortSignal.timeout(quick))).toEqual({ reason: expect.stringContaining("not there") });
  });

  it("names bytes that are not UTF-8 and leaves such files out", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    await workspace.put({ "bad\xff\xfename.txt": "b\n", "dir\xc3/x.txt": "x\n", "good.txt": "g\n" });
    const { capture } = await workspace.capture();
    expect(capture.skipped).toEqual([
      { path: "bad\\xff\\xfename.txt", reason: "bad_name" },
      { path: "dir\\xc3", reason: "bad_name" },
    ]);
    expect(capture.changes?.map(({ path }) => path)).toEqual(["good.txt"]);
  });

  it("ends where folders are too deep, even beyond the longest path", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    const deep = `for (let at = 0; at < 3000; at += 1) { require("fs").mkdirSync("d"); process.chdir("d"); }`;
    workspace.run(`mkdir deep; cd deep; '${process.execPath}' -e '${deep}'`);
    const long = "n".repeat(250);
    workspace.run(`cd .; for i in {1..14}; do mkdir ${long}; cd ${long}; done; echo x > x.txt`);
    await workspace.put({ "fine/b.txt": "b\n" });
    const { capture } = await workspace.capture({ depth: 30 });
    expect(capture.skipped?.map(({ reason }) => reason)).toEqual(["too_deep", "too_deep"]);
    expect(capture.skipped?.[0]?.path).toBe(`deep${"/d".repeat(29)}`);
    expect(capture.changes?.map(({ path }) => path)).toEqual(["fine/b.txt"]);
    execFileSync("rm", ["-rf", `${workspace.dir}/deep`, `${workspace.dir}/${long}`]);
  });

  it("is cut off after so many files, and what the base holds is looked at all the same", async () => {
    const workspace = await world.workspaceOf({ "a/z.txt": "z\n", "m.txt": "m\n", "z/a.txt": "a\n" });
    workspace.run("mkdir a/b c; touch a/{1..3000} a/b/{1..3000} c/{1..3000}; rm m.txt; echo changed > z/a.txt");
    const { capture } = await workspace.capture({ files: 1_000 });
    expect(capture.changes?.filter(({ kind }) => kind !== "CHANGE_KIND_ADDED")).toMatchObject([
      { path: "m.txt", kind: "CHANGE_KIND_DELETED" },
      { path: "z/a.txt", kind: "CHANGE_KIND_MODIFIED" },
    ]);
    expect(capture.changes?.length).toBeLessThanOrEqual(1_002);
    expect(capture.skipped?.map(({ reason }) => reason)).toContain("too_many");
    expect(capture.partial).toBe(true);
  });

  it("is cut off after so many bytes, changes of the base first", async () => {
    const workspace = await world.workspaceOf({ "z.txt": "z\n" });
    await workspace.put({ "a.bin": Buffer.alloc(600), "b.bin": Buffer.alloc(600), "z.txt": "x".repeat(300) });
    const { capture } = await workspace.capture({ bytes: 1_000 });
    expect(capture.changes?.map(({ path }) => path)).toEqual(["a.bin", "z.txt"]);
    expect(capture.skipped).toEqual([{ path: "b.bin", reason: "oversize" }]);
  });

  it("lists so many special files only, and counts the rest", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    workspace.run("mkfifo p{1..1200}");
    const { capture } = await workspace.capture();
    expect(capture.skipped).toHaveLength(1_001);
    expect(capture.skipped?.at(-1)).toEqual({ path: "… and 200 more", reason: "too_many" });
  });

  it("hides a change by none of: the same size, an old time, another file's place", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "aaaa\n", "b.txt": "bbbb\n", "c.txt": "cccc\n" });
    workspace.run("mv a.txt t; mv b.txt a.txt; mv t b.txt; touch -d 2001-01-01 a.txt b.txt; ln c.txt d.txt");
    const captured = await workspace.capture();
    expect(captured.capture.gitTree).toBe(await workspace.treeOf(workspace.dir));
    expect(captured.capture.changes?.map(({ path }) => path)).toEqual(["a.txt", "b.txt", "d.txt"]);
  });
});
