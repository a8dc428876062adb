import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { GitRepositoriesDeps } from "../../workers/workspace/repo/git-repositories.ts";
import { createGitRepositories } from "../../workers/workspace/repo/git-repositories.ts";
import { nameOf, putPack, treeEntry, zeroBlob } from "../support/builders/hostile-objects.ts";
import type { TestRepository } from "../support/builders/repositories.ts";
import { createRepository, temporaryFolder } from "../support/builders/repositories.ts";
import { makeRepositoryArea, prepareBase } from "../support/worlds/repository-world.ts";

const mebibyte = 1024 * 1024;
const folder = temporaryFolder();
const root = join(folder.path, "repositories");
let made = 0;
afterAll(() => folder.remove());

function newRepository(): TestRepository {
  made += 1;
  return createRepository(join(root, `huge-${made}`));
}

function worker(more: Partial<GitRepositoriesDeps> = {}) {
  made += 1;
  const area = makeRepositoryArea(join(folder.path, `area-${made}`));
  const repositories = createGitRepositories({ area, roots: [{ tenant: "acme", path: root }], hosts: [], ...more });
  return { area, repositories, prepare: ({ url }: TestRepository) => prepareBase(repositories, { url }) };
}

/** Mirrors of `acme`, without their locks. */
const mirrorsIn = ({ mirrorsDir }: GitRepositoriesDeps["area"]) =>
  readdirSync(join(mirrorsDir, "acme")).filter((name) => !name.endsWith(".lock"));

const refused = (what: RegExp) =>
  expect.objectContaining({ code: "base_unavailable", isPassing: false, message: expect.stringMatching(what) });

describe("a small repository that unpacks to a huge one is refused with the bound that it breaks", () => {
  it("1.5 GiB of zeros in one file", async () => {
    const repository = newRepository();
    const blob = zeroBlob(repository, 1_536);
    repository.commitTree(repository.rawTree([{ mode: "100644", name: "zeros", object: blob }]));
    const { area, prepare } = worker();
    await expect(prepare(repository)).rejects.toEqual(
      refused(/"zeros" of the tree has 1610612736 bytes, and at most 536870912 are taken of a file/),
    );
    expect(existsSync(join(area.basesDir, "acme", "zeros"))).toBe(false);
  });

  it("a delta of 500 bytes that makes a gigabyte", async () => {
    const repository = newRepository();
    const base = Buffer.alloc(15 * mebibyte);
    putPack(repository, [
      { kind: "blob", bytes: base },
      { kind: "copies", ofBytes: base.length, count: 70 },
    ]);
    const objects = repository.git(["cat-file", "--batch-all-objects", "--batch-check"]).split("\n");
    const bomb = objects.find((line) => line.endsWith(` ${base.length * 70}`))?.slice(0, 40) ?? "";
    repository.commitTree(
      repository.rawTree([
        { mode: "100644", name: "base", object: nameOf("blob", base) },
        { mode: "100644", name: "bomb", object: bomb },
      ]),
    );
    const { area, prepare } = worker();
    await expect(prepare(repository)).rejects.toEqual(refused(/[Oo]ut of memory.*AUTOMATION_GIT_MEMORY_BYTES/));
    const [mirror = ""] = mirrorsIn(area);
    const packs = join(area.mirrorsDir, "acme", mirror, "1.git/objects/pack");
    expect(readdirSync(packs).filter((name) => name.startsWith("tmp_"))).toEqual([]);
  });

  it("twelve thousand folders, each in the one before", async () => {
    const repository = newRepository();
    const blob = repository.blob("x");
    let bytes = treeEntry("100644", "file", blob);
    const trees = [bytes];
    for (let depth = 0; depth < 12_000; depth += 1) {
      bytes = treeEntry("40000", "a", nameOf("tree", bytes));
      trees.push(bytes);
    }
    putPack(
      repository,
      trees.map((tree) => ({ kind: "tree", bytes: tree })),
    );
    repository.commitTree(nameOf("tree", bytes));
    await expect(worker().prepare(repository)).rejects.toEqual(
      refused(/[Oo]ut of memory|nested too deep|of the tree has \d+ bytes/),
    );
  });

  it("a million branches are no reason", async () => {
    const repository = newRepository();
    const commit = repository.commit({ "a.txt": "a\n" });
    const lines = Array.from(
      { length: 1_000_000 },
      (_, index) => `${commit} refs/heads/x${String(index).padStart(7, "0")}\n`,
    );
    writeFileSync(
      join(repository.path, ".git/packed-refs"),
      `# pack-refs with: peeled fully-peeled sorted \n${lines.join("")}`,
    );
    const { prepare } = worker();
    expect(await prepare(repository)).toMatchObject({ commit });
  });
});

describe("mirrors of a tenant", () => {
  const bytesOf = (seed: number) => {
    const bytes = Buffer.alloc(mebibyte);
    let state = seed;
    for (let at = 0; at < bytes.length; at += 4) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      bytes.writeUInt32LE(state, at);
    }
    return bytes;
  };
  const megabyte = (seed: number) => {
    const repository = newRepository();
    repository.commit({ "random.bin": bytesOf(seed) });
    return repository;
  };

  it("are pruned to their quota: the longest unused one first, and never one that a run uses", async () => {
    const pruned: unknown[] = [];
    const { area, repositories, prepare } = worker({
      mirrorQuotaBytes: 3.5 * mebibyte,
      onPruned: (what) => pruned.push(what),
    });
    const [used, first, second, third, fourth] = [1, 2, 3, 4, 5].map(megabyte) as [TestRepository, ...TestRepository[]];
    await prepare(used);
    for (const each of [first, second]) repositories.release(await prepare(each as TestRepository));
    const before = mirrorsIn(area);
    repositories.release(await prepare(first as TestRepository)); // now the second is the one unused for longest
    repositories.release(await prepare(third as TestRepository));
    expect(pruned).toEqual([{ tenant: "acme", mirrors: 1, bytes: expect.any(Number) }]);
    const after = mirrorsIn(area);
    expect(after).toHaveLength(3);
    expect(before.filter((name) => !after.includes(name))).toHaveLength(1);
    repositories.release(await prepare(first as TestRepository));
    expect(pruned).toHaveLength(1);
    repositories.release(await prepare(fourth as TestRepository));
    expect(mirrorsIn(area)).toContain(before.find((name) => after.includes(name)));
    expect(pruned).toHaveLength(2);
  });

  it("have no room for one more while runs use them all", async () => {
    const { area, repositories, prepare } = worker({ mirrorQuotaBytes: 1.5 * mebibyte });
    const held = await prepare(megabyte(6));
    const next = megabyte(7);
    await expect(prepare(next)).rejects.toMatchObject({
      code: "base_unavailable",
      isPassing: true,
      message: expect.stringMatching(/start again when other runs have ended/),
    });
    expect(existsSync(held.gitDir)).toBe(true);
    repositories.release(held);
    await prepare(next);
    expect(mirrorsIn(area)).toHaveLength(1);
  });

  it("hold none that is larger than the quota by itself", async () => {
    const { area, prepare } = worker({ mirrorQuotaBytes: mebibyte });
    const repository = newRepository();
    repository.commit({ "a.bin": bytesOf(8), "b.bin": bytesOf(9) });
    await expect(prepare(repository)).rejects.toEqual(refused(/AUTOMATION_MIRROR_QUOTA_BYTES/));
    const [mirror = ""] = mirrorsIn(area);
    expect(readdirSync(join(area.mirrorsDir, "acme", mirror, "1.git/objects/pack"))).toEqual([]);
    const grown = newRepository();
    for (const seed of [10, 11]) grown.commit({ "a.bin": bytesOf(seed).subarray(0, 0.7 * mebibyte) });
    await expect(prepare(grown)).rejects.toEqual(refused(/may have 1048576 together|AUTOMATION_MIRROR_QUOTA_BYTES/));
  });
});
