import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { changesFile, evidenceFile } from "../../workers/workspace/activities/kept-files.ts";
import { createCaptureTree } from "../../workers/workspace/capture/capture-tree.ts";
import { readCaptured } from "../../workers/workspace/capture/read-captured.ts";
import { createReadOut } from "../../workers/workspace/capture/read-out.ts";
import type { Sandbox } from "../../workers/workspace/sandbox/sandbox.ts";
import type { CaptureWorld, Tree } from "../support/worlds/capture-world.ts";
import { startCaptureWorld } from "../support/worlds/capture-world.ts";

const utf8 = (path: string) => Buffer.from(path).toString("latin1");
const binary = Buffer.from(Array.from({ length: 5_000 }, (_, at) => (at * 7 + (at >> 3)) % 256));
const signal = AbortSignal.timeout(120_000);

const base: Tree = {
  "README.md": "# Shop\n",
  "src/total.js": "export const total = (a, b) => a - b;\n".repeat(20),
  "src/windows.txt": "one\r\ntwo\r\nthree\r\n",
  "src/no-newline.txt": "no newline at the end",
  "bin/run": { program: "#!/bin/sh\necho run\n" },
  "bin/plain": "plain\n",
  "img/logo.png": binary,
  "docs/old name.md": "A document with a long text.\n".repeat(30),
  "link-to-readme": { link: "README.md" },
  "turns-into-link": "text\n",
  "turns-into-folder": "text\n",
  "folder-into-file/a.txt": "a\n",
  "folder-into-file/b/c.txt": "c\n",
  "empty.txt": "",
  "gone.txt": "gone\n",
  "gone/too.txt": "gone\n",
  ".gitignore": "node_modules/\n*.log\n!kept.log\ndist/*\n!dist/keep.txt\n",
  "tracked.log": "tracked although it is ignored\n",
  "node_modules/vendored/index.js": "tracked\n",
};

let world: CaptureWorld;
beforeAll(async () => {
  world = await startCaptureWorld();
});
afterAll(() => world?.close());

describe("a capture", () => {
  it("of an untouched workspace is the base's tree, with an empty patch", async () => {
    const workspace = await world.workspaceOf(base);
    const { capture, patch } = await workspace.capture();
    expect(capture).toMatchObject({ gitTree: workspace.base.tree, changes: [], skipped: [], partial: false });
    expect(patch).toHaveLength(0);
  });

  it("is the tree that git makes of the same bytes, and git apply turns the base into it", async () => {
    const workspace = await world.workspaceOf(base);
    const altered = Buffer.from(binary);
    altered[100] = 0;
    await workspace.put({
      "src/total.js": `${"export const total = (a, b) => a - b;\n".repeat(19)}export const total = (a, b) => a + b;\n`,
      "src/windows.txt": "one\r\ntwo\nthree\r\n",
      "src/no-newline.txt": "no newline at the end, still",
      "img/logo.png": altered,
      "img/new.bin": Buffer.concat([binary, Buffer.from([0, 255, 10, 13])]),
      "turns-into-link": { link: "src/total.js" },
      "link-to-readme": { link: "../outside" },
      "link-to-nothing": { link: "/nowhere/at all" },
      "empty.txt": "no longer empty\n",
      "new-empty.txt": "",
      "new program": { program: "#!/bin/sh\n" },
      "tracked.log": "changed although it is ignored\n",
      'odd/"quoted" and \\slashed\\.txt': "odd\n",
      "odd/tab\tand\nnewline.txt": "odd\n",
      [utf8("odd/ünïcode 日本.txt")]: "odd\n",
      "odd/ leading and trailing ": "odd\n",
      "odd/-rf": "odd\n",
      "odd/:(top)magic": "odd\n",
      "odd/$(touch x) `touch y`": "odd\n",
    });
    workspace.run("mv 'docs/old name.md' 'docs/new name.md'; chmod +x bin/plain; chmod -x bin/run");
    workspace.run("rm -r gone.txt gone turns-into-folder folder-into-file; mkdir turns-into-folder empty-folder");
    await workspace.put({ "turns-into-folder/inside.txt": "inside\n", "folder-into-file": "a file\n" });

    const captured = await workspace.capture();
    const expected = await workspace.treeOf(workspace.dir);
    expect(captured.capture).toMatchObject({ gitTree: expected, partial: false, skipped: [] });
    expect(captured.capture.patchSha256).toBe(createHash("sha256").update(captured.patch).digest("hex"));
    expect(await workspace.treeOf(await workspace.applied(captured))).toBe(expected);

    const change = (path: string) => captured.capture.changes?.find((each) => each.path === path);
    expect(change("docs/new name.md")).toEqual({
      path: "docs/new name.md",
      kind: "CHANGE_KIND_RENAMED",
      previousPath: "docs/old name.md",
      mode: "100644",
      sizeBytes: "870",
    });
    expect(change("bin/plain")).toMatchObject({ kind: "CHANGE_KIND_MODIFIED", mode: "100755" });
    expect(change("turns-into-link")).toMatchObject({ kind: "CHANGE_KIND_MODIFIED", mode: "120000", sizeBytes: "12" });
    expect(change("gone/too.txt")).toEqual({ path: "gone/too.txt", kind: "CHANGE_KIND_DELETED" });
    expect(change("odd/ünïcode 日本.txt")).toMatchObject({ kind: "CHANGE_KIND_ADDED", sizeBytes: "4" });
    expect(change("README.md")).toBeUndefined();
  });

  it("of the same bytes is the same commit, whenever it is made", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    await workspace.put({ "a.txt": "b\n", "b.txt": "b\n" });
    const first = await workspace.capture();
    workspace.run("touch a.txt b.txt");
    const second = await workspace.capture();
    expect(second.capture).toEqual(first.capture);
    expect(second.patch.equals(first.patch)).toBe(true);
    expect(first.capture.gitCommit).toMatch(/^[0-9a-f]{40}$/);
  });

  it("sees a file whose size and modification time were set back", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "aaaa\n", "z.txt": "z\n" });
    workspace.run("cp -p a.txt ../stamp; printf 'bbbb\\n' > a.txt; touch -r ../stamp a.txt; rm ../stamp");
    const { capture } = await workspace.capture();
    expect(capture.changes).toMatchObject([{ path: "a.txt", kind: "CHANGE_KIND_MODIFIED" }]);
  });

  it("leaves out what the base's rules ignore, names a folder once, and keeps what the base tracks", async () => {
    const workspace = await world.workspaceOf(base);
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`lib/node_modules/p${at}/i.js`, "x"]));
    await workspace.put({
      ...many,
      "node_modules/vendored/index.js": "changed\n",
      "node_modules/new.js": "new\n",
      "src/debug.log": "debug\n",
      "src/kept.log": "kept\n",
      "dist/app.js": "app\n",
      "dist/keep.txt": "keep\n",
      "src/.gitignore": "kept.log\nnew.js\n",
      ".gitignore": "*\n",
      "src/new.js": "new\n",
    });
    const { capture } = await workspace.capture();
    expect(capture.skipped).toEqual([
      { path: "dist/app.js", reason: "ignored" },
      { path: "lib/node_modules", reason: "ignored" },
      { path: "node_modules/new.js", reason: "ignored" },
      { path: "src/debug.log", reason: "ignored" },
    ]);
    expect(capture.partial).toBe(false);
    expect(capture.changes?.map(({ path }) => path)).toEqual([
      ".gitignore",
      "dist/keep.txt",
      "node_modules/vendored/index.js",
      "src/.gitignore",
      "src/kept.log",
      "src/new.js",
    ]);
  });

  it("is not crowded out by an ignored folder with more files than the limit", async () => {
    const workspace = await world.workspaceOf({ ".gitignore": "node_modules/\n", "a.txt": "a\n" });
    workspace.run("mkdir -p a/node_modules z; touch a/node_modules/{1..400}");
    await workspace.put({ "z/y/x/deep.txt": "deep\n" });
    const { capture } = await workspace.capture({ files: 60 });
    expect(capture).toMatchObject({ skipped: [{ path: "a/node_modules", reason: "ignored" }], partial: false });
    expect(capture.changes).toMatchObject([{ path: "z/y/x/deep.txt" }]);
  });

  it("fails when a file is not what it was when it was listed, and leaves nothing running", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    await workspace.put({ "big.bin": Buffer.alloc(4_000_000), "z.txt": "12345\n" });
    for (const later of ["123456\n", "1234\n", { link: "a.txt" }]) {
      const sandbox: Sandbox = {
        ...world.sandbox,
        async run(spec, output, stop) {
          if (spec.argv.includes("read")) await workspace.put({ "z.txt": later });
          return await world.sandbox.run(spec, output, stop);
        },
      };
      await workspace.put({ "z.txt": "12345\n" });
      await rm(workspace.asked.gitDir, { recursive: true, force: true });
      await expect(createCaptureTree({ sandbox })(workspace.asked, signal)).rejects.toMatchObject({
        code: "capture_failed",
      });
    }
  });

  it("ends when it is told to", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    await workspace.put(
      Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${at}.bin`, Buffer.alloc(2_000_000)])),
    );
    const stop = new AbortController();
    const sandbox: Sandbox = {
      ...world.sandbox,
      run: (spec, output, signalOfBox) => {
        if (spec.argv.includes("read")) stop.abort(new Error("told to"));
        return world.sandbox.run(spec, output, signalOfBox);
      },
    };
    await expect(createCaptureTree({ sandbox })(workspace.asked, stop.signal)).rejects.toThrow("told to");
  });

  it("fails with its reason when the patch is larger than allowed", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    await workspace.put({ "big.txt": "0123456789\n".repeat(10_000) });
    await expect(workspace.capture({ patchBytes: 50_000 })).rejects.toMatchObject({
      code: "capture_failed",
      message: expect.stringContaining("50000"),
    });
  });
});

describe("a file of a captured tree", () => {
  it("is read by its exact path, when it is a regular file that is not too large", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    await workspace.put({ "docs/[a] *.md": "text\n", ":(top)x": "magic\n", link: { link: "a.txt" } });
    const { gitDir, capture } = await workspace.capture();
    const read = async (path: string, most = 100) =>
      (await readCaptured(gitDir, capture.gitTree ?? "", path, most, signal))?.toString();
    expect(await read("docs/[a] *.md")).toBe("text\n");
    expect(await read(":(top)x")).toBe("magic\n");
    expect(await read("docs/[a] *.md", 4)).toBeUndefined();
    for (const path of ["link", "docs", "docs/", "docs/*", "nothing", "../a.txt", ""]) {
      expect(await read(path), path).toBeUndefined();
    }
  });
});

describe("a file read out of a workspace", () => {
  it("comes whole, or with the reason why it doesn't", async () => {
    const workspace = await world.workspaceOf({ "a.txt": "a\n" });
    await workspace.put({
      "reports/unit.xml": binary,
      [utf8(`reports/${"ü".repeat(120)}.xml`)]: "long\n",
      "reports/link.xml": { link: "/etc/passwd" },
      "reports/self.xml": { link: "unit.xml" },
      linked: { link: "reports" },
    });
    workspace.run("mkfifo reports/fifo.xml; truncate -s 3G reports/sparse.xml; mkdir reports/folder.xml");
    workspace.run("printf secret > reports/closed.xml; chmod 0 reports/closed.xml");
    const readOut = createReadOut({ sandbox: world.sandbox });
    const { slot, home, workspace: dir } = workspace.asked;
    const read = (path: string) => readOut({ slot, home, workspace: dir, path, maxBytes: 100_000 }, signal);

    expect(await read("reports/unit.xml")).toEqual({ bytes: binary });
    expect(await read(`reports/${"ü".repeat(120)}.xml`)).toEqual({ bytes: Buffer.from("long\n") });
    const refused: readonly (readonly [string, RegExp])[] = [
      ["reports/link.xml", /symbolic link/],
      ["reports/self.xml", /symbolic link/],
      ["linked/unit.xml", /symbolic link/],
      ["reports/fifo.xml", /not a regular file but a fifo/],
      ["reports/sparse.xml", /larger than 100000 bytes/],
      ["reports/folder.xml", /directory|not there/],
      ["reports/closed.xml", /not there, or can't be read/],
      ["reports/nothing.xml", /not there/],
      ["../a.txt", /not a path below/],
      ["/etc/passwd", /not a path below/],
    ];
    for (const [path, reason] of refused)
      expect(await read(path), path).toEqual({ reason: expect.stringMatching(reason) });
  });
});

describe("the files of evidence", () => {
  it("are canonical JSON: the same content is the same bytes", () => {
    const changes = [{ path: "a", kind: "CHANGE_KIND_DELETED" as const }];
    expect(changesFile({ changes }).bytes.toString()).toBe('[{"kind":"CHANGE_KIND_DELETED","path":"a"}]');
    expect(evidenceFile({ runId: "r", capture: { partial: false, changes } }).bytes).toEqual(
      evidenceFile({ capture: { changes, partial: false }, runId: "r" }).bytes,
    );
  });
});
