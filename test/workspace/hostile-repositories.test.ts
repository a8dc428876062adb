import { execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Repositories } from "../../workers/workspace/repo/git-repositories.ts";
import { createGitRepositories } from "../../workers/workspace/repo/git-repositories.ts";
import { materialise } from "../../workers/workspace/repo/materialise.ts";
import type { RawEntry, TestRepository } from "../support/builders/repositories.ts";
import { createRepository, putFile, temporaryFolder } from "../support/builders/repositories.ts";
import { makeRepositoryArea } from "../support/worlds/repository-world.ts";

const folder = temporaryFolder();
const root = join(folder.path, "repositories");
const trace = join(folder.path, "it-ran");
let repositories: Repositories;
let made = 0;

beforeAll(() => {
  const area = makeRepositoryArea(folder.path);
  repositories = createGitRepositories({ area, roots: [{ tenant: "acme", path: root }], hosts: [] });
});
afterAll(() => folder.remove());

function newRepository(): TestRepository {
  made += 1;
  return createRepository(join(root, `hostile-${made}`));
}

const signal = new AbortController().signal;
const prepare = ({ url }: TestRepository) =>
  repositories.prepareBase({ tenant: "acme", url, ref: "main" }, () => undefined, signal);

/** What no attempt may leave: a program that ran, or an incomplete base. */
function expectNothingLeft(): void {
  expect(existsSync(trace)).toBe(false);
  const bases = join(folder.path, "bases/acme");
  if (existsSync(bases)) expect(readdirSync(bases).filter((name) => !/^[0-9a-f]{40}$/.test(name))).toEqual([]);
}

describe("what a repository says of its own files is not heard", () => {
  it("attributes: no line end, keyword, substitution, encoding or filter changes a byte", async () => {
    const repository = newRepository();
    const files = {
      ".gitattributes":
        "* text eol=crlf ident export-subst filter=evil working-tree-encoding=UTF-16\n/hidden export-ignore\n",
      "lf.txt": "one\ntwo\n",
      "crlf.txt": "one\r\ntwo\r\n",
      "mixed.txt": "one\r\ntwo\n\r",
      "ident.txt": "$Id$ $Format:%H$\n",
      hidden: "still here\n",
      "bytes.bin": Buffer.from([0, 13, 10, 255, 254, 0]),
      empty: "",
    };
    repository.commit(files);
    repository.git(["config", "filter.evil.smudge", `touch ${trace}`]);
    repository.git(["config", "core.autocrlf", "true"]);
    const { path } = await prepare(repository);
    for (const [name, bytes] of Object.entries(files))
      expect(readFileSync(join(path, name)), name).toEqual(Buffer.from(bytes));
    expectNothingLeft();
  });

  it("hooks, a file system monitor, a pack program and other settings of the other side start nothing", async () => {
    const repository = newRepository();
    repository.commit({ "a.txt": "a\n" });
    const program = join(repository.path, ".git/evil");
    putFile(program, `#!/bin/sh\ntouch ${trace}\nexec "$@"\n`, 0o755);
    for (const hook of ["post-checkout", "reference-transaction", "pre-auto-gc", "post-index-change"])
      putFile(join(repository.path, ".git/hooks", hook), `#!/bin/sh\ntouch ${trace}\n`, 0o755);
    for (const key of [
      "core.fsmonitor",
      "core.alternateRefsCommand",
      "core.sshCommand",
      "core.askPass",
      "uploadpack.packObjectsHook",
      "credential.helper",
      "core.pager",
      "diff.external",
    ])
      repository.git(["config", key, program]);
    expect(readdirSync((await prepare(repository)).path)).toEqual(["a.txt"]);
    expectNothingLeft();
  });

  it("a nested repository that was committed as files is refused, since its settings would be obeyed", async () => {
    const repository = newRepository();
    const config = repository.blob(`[core]\n\tfsmonitor = touch ${trace}\n`);
    const inner = repository.rawTree([{ mode: "100644", name: "config", object: config }]);
    const nested = repository.rawTree([{ mode: "40000", name: ".git", object: inner }]);
    repository.commitTree(repository.rawTree([{ mode: "40000", name: "nested", object: nested }]));
    await expect(prepare(repository)).rejects.toMatchObject({
      code: "base_unavailable",
      message: expect.stringContaining(
        '"nested/.git/config" of the tree has a part that some file system takes for .git',
      ),
    });
    expectNothingLeft();
  });
});

it("a submodule is refused by its path", async () => {
  const repository = newRepository();
  const commit = repository.commit({ "a.txt": "a\n" });
  repository.commitTree(repository.rawTree([{ mode: "160000", name: "vendored", object: commit }]));
  await expect(prepare(repository)).rejects.toMatchObject({
    code: "base_unavailable",
    isPassing: false,
    message: expect.stringMatching(/submodule "vendored".*not supported/s),
  });
  expectNothingLeft();
});

it("a repository without a commit is refused as empty", async () => {
  await expect(prepare(newRepository())).rejects.toThrow("it may be empty");
});

describe("names", () => {
  it.each([
    ".git",
    ".GIT",
    "..",
    ".",
    "",
    ".g\u200cit",
    "git~1",
    "GIT~1",
    ".git. .",
    ".git::$INDEX_ALLOCATION",
    "a\\.git",
    "line\nbreak",
    "bell\u0007",
    "escape\u001b[2J",
    "c1\u009b",
    "n".repeat(256),
  ])("%j in the tree is refused, and nothing is written", async (name) => {
    const repository = newRepository();
    const object = repository.blob("x\n");
    repository.commitTree(repository.rawTree([{ mode: "100644", name, object }]));
    await expect(prepare(repository)).rejects.toMatchObject({ code: "base_unavailable" });
    expectNothingLeft();
  });

  it("that are no UTF-8, or look like options, patterns and magic, are taken to the byte", async () => {
    const repository = newRepository();
    const object = repository.blob("x\n");
    const names = [Buffer.from("-rf"), Buffer.from(":(top)x"), Buffer.from("a*?[b]"), Buffer.from([0x66, 0xff, 0xfe])];
    repository.commitTree(repository.rawTree(names.map((name) => ({ mode: "100644", name, object }))));
    const found = readdirSync((await prepare(repository)).path, { encoding: "buffer" });
    expect(found.map(String).toSorted()).toEqual(names.map(String).toSorted());
  });
});

describe("links", () => {
  it("are links, wherever they lead, and are never followed", async () => {
    const repository = newRepository();
    const target = repository.blob("/etc/passwd");
    repository.commitTree(repository.rawTree([{ mode: "120000", name: "report.xml", object: target }]));
    const { path } = await prepare(repository);
    expect(readlinkSync(join(path, "report.xml"))).toBe("/etc/passwd");
  });

  it("with files below them in the same tree are refused, before or after", async () => {
    const outside = join(folder.path, "outside");
    mkdirSync(outside);
    for (const isLinkFirst of [true, false]) {
      const repository = newRepository();
      const below = repository.rawTree([{ mode: "100644", name: "escaped", object: repository.blob("x\n") }]);
      const entries: RawEntry[] = [
        { mode: "120000", name: "out", object: repository.blob(outside) },
        { mode: "40000", name: "out", object: below },
      ];
      repository.commitTree(repository.rawTree(isLinkFirst ? entries : entries.toReversed()));
      await expect(prepare(repository)).rejects.toThrow("lies in what is a file or link of the same tree");
    }
    expect(readdirSync(outside)).toEqual([]);
    expectNothingLeft();
  });

  it("in the way of what is written are not followed: a file that is there is nobody's to overwrite", async () => {
    const repository = newRepository();
    repository.commit({ "report.xml": "mine\n" });
    const { gitDir, tree } = await prepare(repository);
    const to = join(folder.path, "taken");
    mkdirSync(to);
    symlinkSync(trace, join(to, "report.xml"));
    await expect(materialise({ gitDir, tree }, to, {}, signal)).rejects.toThrow("EEXIST");
    expect(existsSync(trace)).toBe(false);
  });

  it("without a target or with one that is too long are refused", async () => {
    for (const target of ["", "x".repeat(5_000)]) {
      const repository = newRepository();
      repository.commitTree(repository.rawTree([{ mode: "120000", name: "link", object: repository.blob(target) }]));
      await expect(prepare(repository)).rejects.toThrow("and a link has 1 to 4095");
    }
  });
});

describe("size", () => {
  it("a tree deeper than a path may be long is refused, and a merely deep one is not", async () => {
    const repository = newRepository();
    const file = repository.blob("x\n");
    let tree = repository.rawTree([{ mode: "100644", name: "f", object: file }]);
    const deepen = (times: number, name: string) => {
      for (let n = 0; n < times; n += 1) tree = repository.rawTree([{ mode: "40000", name, object: tree }]);
      repository.commitTree(tree);
    };
    deepen(40, "d");
    expect(readFileSync(join((await prepare(repository)).path, "d/".repeat(40), "f"), "utf8")).toBe("x\n");
    deepen(16, "n".repeat(200));
    await expect(prepare(repository)).rejects.toThrow("at most 3072 are taken");
    expectNothingLeft();
  });

  it("a tree that names the same few objects a billion times is refused before it fills anything", async () => {
    const repository = newRepository();
    const names = [..."abcdefghij"];
    let tree = repository.rawTree(names.map((name) => ({ mode: "100644", name, object: repository.blob("x\n") })));
    for (let n = 0; n < 8; n += 1)
      tree = repository.rawTree(names.map((name) => ({ mode: "40000", name, object: tree })));
    repository.commitTree(tree);
    await expect(prepare(repository)).rejects.toThrow("more than 200000 files");
    expectNothingLeft();
  });

  it("a tree whose few files lie in hundreds of thousands of folders is refused before it fills anything", async () => {
    const repository = newRepository();
    let tree = repository.rawTree([{ mode: "100644", name: "f", object: repository.blob("x\n") }]);
    for (let n = 0; n < 150; n += 1) tree = repository.rawTree([{ mode: "40000", name: "d", object: tree }]);
    const names = Array.from({ length: 1_500 }, (_, n) => `${n}`).toSorted();
    repository.commitTree(repository.rawTree(names.map((name) => ({ mode: "40000", name, object: tree }))));
    await expect(prepare(repository)).rejects.toThrow("more than 200000 folders");
    expectNothingLeft();
  });

  it("files that are small when packed and huge on a disk are refused by their true size", async () => {
    const repository = newRepository();
    const object = repository.blob(Buffer.alloc(50 * 1024 * 1024));
    const entries = Array.from({ length: 82 }, (_, n) => ({ mode: "100644", name: `zeros-${n}`, object }));
    repository.commitTree(repository.rawTree(entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))));
    await expect(prepare(repository)).rejects.toThrow("more than 4294967296 bytes");
    expectNothingLeft();
  });

  it("a large file is written whole", async () => {
    const repository = newRepository();
    const bytes = Buffer.alloc(20 * 1024 * 1024 + 1, "0123456789abcde\n");
    repository.commit({ "large.bin": bytes, "small.txt": "after it\n" });
    const { path } = await prepare(repository);
    expect(readFileSync(join(path, "large.bin")).equals(bytes)).toBe(true);
    expect(readFileSync(join(path, "small.txt"), "utf8")).toBe("after it\n");
  });
});

it("files of a tree are left out with what is below them, and nothing else is", async () => {
  const repository = newRepository();
  repository.commit({ "out/report.xml": "own\n", "out/report.xml.txt": "kept\n", "out/kept.txt": "kept\n" });
  const { gitDir, tree } = await prepare(repository);
  const to = join(folder.path, "left-out");
  mkdirSync(to);
  await materialise({ gitDir, tree }, to, { leaveOut: ["out/report.xml"] }, signal);
  expect(readdirSync(join(to, "out")).toSorted()).toEqual(["kept.txt", "report.xml.txt"]);
  expect(lstatSync(join(to, "out")).mode & 0o777).toBe(0o755);
});

it("a local repository is read under the filter of system calls", async () => {
  const repository = newRepository();
  repository.commit({ "readme.md": "one\n" });
  execFileSync("mkfifo", [join(fileURLToPath(repository.url), ".git/packed-refs")]); // its reader waits there
  const stop = new AbortController();
  const wanted = { tenant: "acme", url: repository.url, ref: "main" };
  const preparing = repositories.prepareBase(wanted, () => undefined, stop.signal).catch((error: unknown) => error);
  const readers = () =>
    readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isReaderOf(fileURLToPath(repository.url), pid));
  await expect.poll(readers, { timeout: 30_000 }).toHaveLength(1);
  const status = readFileSync(`/proc/${readers()[0]}/status`, "utf8");
  stop.abort();
  await preparing;
  expect(status).toMatch(/^Seccomp:\t2$/m);
});

/** Whether a process is the git that reads a repository, and not one of those that started it. */
function isReaderOf(path: string, pid: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return (
      words.some((word) => word.startsWith(path)) &&
      /git-upload-pack$|^git$/.test(words[0] ?? "") &&
      !words.includes("ls-remote")
    );
  } catch {
    return false; // it ended
  }
}
