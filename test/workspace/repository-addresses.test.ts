import { readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { createRepository, putFile } from "../support/builders/repositories.ts";
import { prepareBase, startRepositoryWorld } from "../support/worlds/repository-world.ts";

const world = await startRepositoryWorld();
const { folder, root, demo, repositories } = world;
afterAll(() => world.stop());

describe("a URL", () => {
  const refusedUrls: readonly (readonly [string, string])[] = [
    ["ext::sh -c id", "does not begin with https"],
    ["--upload-pack=id", "does not begin with https"],
    ["ssh://git@example.org/a.git", "does not begin with https"],
    ["git@example.org:a.git", "does not begin with https"],
    ["git://example.org/a.git", "does not begin with https"],
    ["http://example.org/a.git", "does not begin with https"],
    ["/etc", "does not begin with https"],
    ["https://example.org/a\n.git", "control character"],
    ["https://user:secret@example.org/a.git", "user or password"],
    ["https://example.org/a.git?x=1", "query or fragment"],
    ["https://example.org/a.git#x", "query or fragment"],
    ["https://example.org/a/../b.git", "normal form"],
    ["https://example.org/a.git", "on host example.org, and this worker takes from 127.0.0.1"],
    [`file://${root}/../server`, "normal form"],
    [`file://${root}`, "leads to no folder below the roots"],
    [`file://${folder}`, "leads to no folder below the roots"],
    [`file://${root}/nowhere`, "leads to no folder below the roots"],
  ];
  it.each(refusedUrls)("%j is refused: %s", async (url, reason) => {
    const refusal = prepareBase(repositories(), { url });
    await expect(refusal).rejects.toMatchObject({
      code: "base_unavailable",
      isPassing: false,
      message: expect.stringContaining(reason),
    });
    await expect(refusal).rejects.not.toThrow("secret");
  });

  it("of another tenant's folder is refused", async () => {
    await expect(prepareBase(repositories(), { url: demo.url, tenant: "other" })).rejects.toThrow("leads to no folder");
  });

  it("whose folder is a link out of the root is refused, and one that stays inside is not", async () => {
    const outside = createRepository(join(folder, "outside"));
    outside.commit({ "a.txt": "a\n" });
    symlinkSync(outside.path, join(root, "link-out"));
    symlinkSync(demo.path, join(root, "link-in"));
    await expect(prepareBase(repositories(), { url: `file://${root}/link-out` })).rejects.toThrow("leads to no folder");
    expect((await prepareBase(repositories(), { url: `file://${root}/link-in` })).commit).toBe(
      demo.git(["rev-parse", "main"]),
    );
  });

  it("whose repository has its objects elsewhere is refused", async () => {
    const outside = createRepository(join(folder, "lender"));
    outside.commit({ "secret.txt": "another's\n" });
    const borrower = createRepository(join(root, "borrower"));
    putFile(join(borrower.path, ".git/objects/info/alternates"), `${outside.path}/.git/objects\n`);
    await expect(prepareBase(repositories(), { url: borrower.url })).rejects.toThrow("takes objects from elsewhere");
    putFile(join(root, "pointer/.git"), `gitdir: ${outside.path}/.git\n`);
    await expect(prepareBase(repositories(), { url: `file://${root}/pointer` })).rejects.toThrow(
      "not a complete git repository",
    );
  });
});

describe("a local repository whose links lead out of its root", () => {
  it("shows nothing of what they lead to", async () => {
    const victim = createRepository(join(folder, "victim"));
    victim.commit({ "secret.txt": "another tenant's\n" });
    const thief = createRepository(join(root, "thief"));
    const [from, to] = [join(victim.path, ".git"), join(thief.path, ".git")];
    for (const name of readdirSync(join(from, "objects")).filter((each) => /^[0-9a-f]{2}$/.test(each)))
      symlinkSync(join(from, "objects", name), join(to, "objects", name));
    rmSync(join(to, "refs/heads"), { recursive: true });
    symlinkSync(join(from, "refs/heads"), join(to, "refs/heads"));
    await expect(prepareBase(repositories(), { url: thief.url })).rejects.toThrow('no branch, tag or other ref "main"');
    const commit = victim.git(["rev-parse", "main"]);
    await expect(prepareBase(repositories(), { url: thief.url, ref: commit })).rejects.toThrow("does not give commit");
  });

  it("may use links within it", async () => {
    const repository = createRepository(join(root, "linked"));
    const commit = repository.commit({ "a.txt": "a\n" });
    renameSync(join(repository.path, ".git/refs/heads"), join(root, "heads-of-linked"));
    symlinkSync(join(root, "heads-of-linked"), join(repository.path, ".git/refs/heads"));
    expect((await prepareBase(repositories(), { url: repository.url })).commit).toBe(commit);
  });
});

describe("a ref", () => {
  it.each(["-x", "a..b", "a b", "a\nb", "@{1}", "a.lock", ".a", "a//b", "main^", "a:b", ""])(
    "%j is refused",
    async (ref) => {
      await expect(prepareBase(repositories(), { url: demo.url, ref })).rejects.toMatchObject({
        code: "base_unavailable",
        message: expect.stringContaining("name a branch, tag or commit"),
      });
    },
  );

  it("that is not there is refused by its name", async () => {
    await expect(prepareBase(repositories(), { url: demo.url, ref: "nope" })).rejects.toThrow(
      'no branch, tag or other ref "nope"',
    );
  });
});
