import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commitOnBase, openCaptureRepository } from "../../workers/workspace/capture/captured-commit.ts";
import type { Base } from "../../workers/workspace/repo/git-repositories.ts";
import type { TestRepository } from "../support/builders/repositories.ts";
import { createRepository, git } from "../support/builders/repositories.ts";
import type { CaptureWorld } from "../support/worlds/capture-world.ts";
import { startCaptureWorld } from "../support/worlds/capture-world.ts";
import { prepareBase, startRepositoryWorld } from "../support/worlds/repository-world.ts";

const world = await startRepositoryWorld();
const { root, server, repositories } = world;
const signal = AbortSignal.timeout(120_000);
let captures: CaptureWorld;
beforeAll(async () => {
  captures = await startCaptureWorld();
});
afterAll(async () => {
  await captures?.close();
  await world.stop();
});

/** Changes the one file of a base. @returns the commit that a capture makes of it, as git shows it */
async function captureOn(base: Base): Promise<string> {
  const workspace = await captures.workspaceOn(base);
  await workspace.put({ "a.txt": "changed\n" });
  const { capture, gitDir } = await workspace.capture();
  expect(capture.changes?.map(({ path }) => path)).toEqual(["a.txt"]);
  return git(gitDir, ["cat-file", "commit", capture.gitCommit ?? ""]);
}

describe("a commit", () => {
  const person = "a <a@example.org>";
  const second = "0 +0000";
  const lastOf9999 = "253402300799 +0000";
  /** Lines of a commit between its tree and its message, and the date that a capture on it has. */
  const odd: Readonly<Record<string, readonly [lines: readonly string[], date: string, message?: Buffer]>> = {
    "of the first second": [[`author ${person} 0 +0000`, `committer ${person} 0 +0000`], second],
    "before September 1970": [
      [`author ${person} 99999999 +0000`, `committer ${person} 99999999 +0000`],
      "99999999 +0000",
    ],
    "of year 1": [[`author ${person} -62135596800 +0000`, `committer ${person} -62135596800 +0000`], second],
    "after 2099": [[`author ${person} 4102444800 +0000`, `committer ${person} 4102444800 +0000`], "4102444800 +0000"],
    "of the last second of 9999": [[`author ${person} 1 +0000`, `committer ${person} 253402300799 +0000`], lastOf9999],
    "after year 9999": [[`author ${person} 1 +0000`, `committer ${person} 99999999999999 +0000`], second],
    "beyond what 64 bits hold": [
      [`author ${person} 1 +0000`, `committer ${person} 99999999999999999999 +0000`],
      second,
    ],
    "of an author before its committer": [
      [`author ${person} -1 +0000`, `committer ${person} 1700000000 +0000`],
      "1700000000 +0000",
    ],
    "of a zone that is nowhere": [
      [`author ${person} 1700000000 +9999`, `committer ${person} 1700000000 -9999`],
      "1700000000 +0000",
    ],
    "without a date": [[`author ${person}`, `committer ${person}`], second],
    "without author": [[`committer ${person} 1700000000 +0000`], second],
    "without committer": [[`author ${person} 1700000000 +0000`], second],
    "with an encoding of two bytes a character": [
      [`author ${person} 1 +0000`, `committer ${person} 1700000000 +0000`, "encoding UTF-16"],
      "1700000000 +0000",
    ],
    "with names and message that are no UTF-8": [
      ["author \xe4 <a@b> 1 +0000", "committer \xff <a@b> 1700000000 +0000", "encoding no-such-1"],
      "1700000000 +0000",
      Buffer.from([0xff, 0xfe, 0]),
    ],
    "with a signature and headers that git does not know": [
      [
        `author ${person} 1 +0000`,
        `committer ${person} 1700000000 +0000`,
        "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----",
        "HG:extra rebase_source:1",
      ],
      "1700000000 +0000",
    ],
    "without message": [
      [`author ${person} 1 +0000`, `committer ${person} 1700000000 +0000`],
      "1700000000 +0000",
      Buffer.alloc(0),
    ],
  };

  it("of any date and form that git stores is a base, and work on it is captured", async () => {
    const repository = createRepository(join(root, "odd-commits"));
    const commits = Object.entries(odd).map(([form, [lines, date, message = Buffer.from("Change\n")]]) => {
      const tree = repository.git(["mktree"], `100644 blob ${repository.blob(`${form}\n`)}\ta.txt\n`);
      const head = Buffer.from(`tree ${tree}\n${lines.join("\n")}\n\n`, "latin1");
      const put = ["hash-object", "-t", "commit", "-w", "--stdin", "--literally"];
      return { form, date, tree, commit: repository.git(put, Buffer.concat([head, message])) };
    });
    const parents = commits.flatMap(({ commit }) => ["-p", commit]);
    const octopus = repository.git(["commit-tree", commits[0]?.tree ?? "", "-m", "All", ...parents]);
    const own = repositories();
    const all = await prepareBase(own, { url: repository.url, ref: octopus });
    const first = await prepareBase(own, { url: repository.url, ref: commits[0]?.commit });
    for (const base of [all, first]) expect(await captureOn(base)).toContain(`parent ${base.commit}\n`);

    const gitDir = join(root, "captured.git");
    await openCaptureRepository(gitDir, all, signal);
    const nothing = { gitDir, runId: "run-1", gone: [], wanted: [], read: async () => undefined };
    for (const { form, date, tree, commit } of commits) {
      const made = await commitOnBase({ ...nothing, base: { ...all, tree, commit } }, signal);
      const by = "automation-scheduler <automation-scheduler@localhost>";
      expect(git(gitDir, ["cat-file", "commit", made.commit]), form).toContain(
        `tree ${tree}\nparent ${commit}\nauthor ${by} ${date}\ncommitter ${by} ${date}\n`,
      );
    }
  });

  it("may have no parent, and no file", async () => {
    const repository = createRepository(join(root, "ancestry"));
    const empty = repository.git(["commit-tree", repository.git(["mktree"]), "-m", "Nothing"]);
    expect(readdirSync((await prepareBase(repositories(), { url: repository.url, ref: empty })).path)).toEqual([]);
  });
});

describe("a ref", () => {
  const names = (repository: TestRepository) => {
    const first = repository.commit({ "a.txt": "first\n" });
    repository.git(["update-ref", "refs/pull/7/head", first]);
    repository.git(["tag", "--annotate", "v1", "--message", "One", first]);
    repository.git(["tag", "--annotate", "v1-again", "--message", "Of a tag", "v1"]);
    for (const name of ["feature/ü-日本", "a+b#c%d&e;f", 'it\'s"quoted"$(x)', "-", "x@y", "refs/heads/main"])
      repository.git(["update-ref", `refs/heads/${name}`, first]);
    repository.git(["symbolic-ref", "refs/heads/alias", "refs/heads/x@y"]);
    const second = repository.commit({ "a.txt": "second\n" });
    repository.git(["update-ref", "refs/heads/v1-branch", second]);
    repository.git(["checkout", "--quiet", "--force", "--detach", first]);
    return { first, second };
  };

  it("may be any that the other side lists: of a pull request, HEAD, a tag of a tag, an alias, with odd characters", async () => {
    const repository = createRepository(join(root, "many-refs"));
    const { first, second } = names(repository);
    const own = repositories();
    for (const ref of [
      "pull/7/head",
      "HEAD",
      "tags/v1",
      "v1-again",
      "alias",
      "feature/ü-日本",
      "a+b#c%d&e;f",
      'it\'s"quoted"$(x)',
      "heads/x@y",
    ])
      expect((await prepareBase(own, { url: repository.url, ref })).commit, ref).toBe(first);
    for (const ref of ["refs/heads/main", second.toUpperCase()])
      expect((await prepareBase(own, { url: repository.url, ref })).commit, ref).toBe(second);
    for (const ref of ["refs/pull/7/head", "HEAD"])
      expect((await prepareBase(repositories(), { url: server.urlOf("many-refs"), ref })).commit, ref).toBe(first);
  });

  it("that can't be had is refused with what is wrong with it", async () => {
    const repository = createRepository(join(root, "few-refs"));
    const commit = repository.commit({ "a.txt": "a\n" });
    const tree = repository.git(["rev-parse", `${commit}^{tree}`]);
    const blob = repository.blob("a\n");
    repository.git(["tag", "a-tree", tree]);
    repository.git(["tag", "--annotate", "a-file", "--message", "File", blob]);
    const sha256 = join(root, "sha256");
    git(root, ["init", "--quiet", "--object-format=sha256", "--initial-branch=main", sha256]);
    git(sha256, ["commit", "--quiet", "--allow-empty", "--message", "One"]);
    const empty = createRepository(join(root, "empty"));
    const own = repositories();
    for (const [url, ref, reason] of [
      [repository.url, "a-tree", `is ${tree}, a tree and no commit; name a commit`],
      [repository.url, "a-file", `is ${blob}, a blob and no commit; name a commit`],
      [repository.url, tree, "a tree and no commit"],
      [repository.url, commit.slice(0, 8), "write all its 40 digits"],
      [repository.url, "e".repeat(64), "repositories with sha256 names are not supported"],
      [repository.url, "refs/pull/8/head", 'no branch, tag or other ref "refs/pull/8/head"; name one'],
      [`file://${sha256}`, "main", "repositories with sha256 names are not supported"],
      [empty.url, "main", "its HEAD has no commit: it may be empty"],
      [empty.url, "HEAD", "its HEAD has no commit: it may be empty"],
    ] as const)
      await expect(prepareBase(own, { url, ref }), ref).rejects.toMatchObject({
        code: "base_unavailable",
        isPassing: false,
        message: expect.stringContaining(reason),
      });
  });
});

describe("a repository that is no whole copy", () => {
  const cloneOf = (from: TestRepository, name: string, how: readonly string[]) => {
    git(root, ["clone", "--quiet", "--template=", "--no-checkout", ...how, from.url, name]);
    return `file://${join(root, name)}`;
  };

  it("since its history was cut off, is as good as another one, and may be deepened later", async () => {
    const repository = createRepository(join(root, "deep"));
    const [oldest] = ["1\n", "2\n", "3\n"].map((text) => repository.commit({ "a.txt": text }));
    const url = cloneOf(repository, "shallow", ["--depth=1"]);
    const path = join(root, "shallow");
    const served = await prepareBase(repositories(), { url: server.urlOf("shallow") });
    expect(readFileSync(join(served.path, "a.txt"), "utf8")).toBe("3\n");
    const own = repositories();
    await captureOn(await prepareBase(own, { url }));
    await expect(prepareBase(own, { url, ref: oldest })).rejects.toThrow("does not give commit");
    repository.commit({ "a.txt": "4\n" });
    git(path, ["fetch", "--quiet", "--unshallow", "--update-head-ok", "origin", "main:main"]);
    expect(readFileSync(join((await prepareBase(own, { url })).path, "a.txt"), "utf8")).toBe("4\n");
    expect(readFileSync(join((await prepareBase(own, { url, ref: oldest })).path, "a.txt"), "utf8")).toBe("1\n");
  });

  it("since files were left out, is refused as that, and nothing is fetched for it", async () => {
    const repository = createRepository(join(root, "whole"));
    repository.commit({ "a.txt": "a\n" });
    repository.git(["config", "uploadpack.allowFilter", "true"]);
    const url = cloneOf(repository, "partial", ["--filter=blob:none"]);
    rmSync(repository.path, { recursive: true });
    await expect(prepareBase(repositories(), { url })).rejects.toMatchObject({
      isPassing: false,
      remedy: expect.stringContaining("without --filter"),
    });
  });

  it("in a format that git on the worker can't read, is refused as that", async () => {
    const repository = createRepository(join(root, "reftable"));
    repository.commit({ "a.txt": "a\n" });
    repository.git(["config", "core.repositoryFormatVersion", "1"]);
    repository.git(["config", "extensions.refStorage", "unheard-of"]);
    await expect(prepareBase(repositories(), { url: repository.url })).rejects.toMatchObject({
      isPassing: false,
      remedy: expect.stringContaining("can't read"),
    });
  });
});
