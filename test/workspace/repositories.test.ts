import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { underLock } from "../../workers/workspace/host/file-lock.ts";
import { copyTree } from "../../workers/workspace/repo/copy-tree.ts";
import { runGit } from "../../workers/workspace/repo/run-git.ts";
import { createRepository } from "../support/builders/repositories.ts";
import { prepareBase, startRepositoryWorld } from "../support/worlds/repository-world.ts";

const world = await startRepositoryWorld();
const { folder, root, server, demo, first, repositories } = world;
afterAll(() => world.stop());

const unlimited = () => new AbortController().signal;
const quiet = () => undefined;

describe("a base", () => {
  it("is the tree of a branch, tag or commit of a local folder, to the byte and with its modes", async () => {
    const own = repositories();
    const repository = createRepository(join(root, "refs"));
    const commit = repository.commit({ "a.txt": "a\r\n", "bin/run*": "#!/bin/sh\n" });
    repository.git(["tag", "--annotate", "v1", "--message", "One", commit]);
    const later = repository.commit({ "a.txt": "b\n" });
    for (const [ref, expected] of [
      ["main", later],
      ["refs/heads/main", later],
      ["v1", commit],
      [commit, commit],
    ] as const)
      expect((await prepareBase(own, { url: repository.url, ref })).commit, ref).toBe(expected);
    const base = await prepareBase(own, { url: repository.url, ref: "v1" });
    expect(base.tree).toBe(repository.git(["rev-parse", `${commit}^{tree}`]));
    expect(readFileSync(join(base.path, "a.txt"), "latin1")).toBe("a\r\n");
    expect(lstatSync(join(base.path, "bin/run")).mode & 0o777).toBe(0o755);
    expect(lstatSync(join(base.path, "a.txt")).mode & 0o777).toBe(0o644);
  });

  it.runIf(process.getuid?.() === 0)("comes from a local folder that belongs to somebody else", async () => {
    const repository = createRepository(join(root, "somebody-elses"));
    const commit = repository.commit({ "a.txt": "a\n" });
    execFileSync("chown", ["-R", "54321:54321", repository.path]);
    expect((await prepareBase(repositories(), { url: repository.url })).commit).toBe(commit);
  });

  it("comes over https from a listed host whose certificate is known", async () => {
    const base = await prepareBase(repositories(), { url: server.urlOf("demo") });
    expect(base.commit).toBe(demo.git(["rev-parse", "main"]));
    expect(readFileSync(join(base.path, "src/ä b.txt"), "utf8")).toBe("ä\r\n");
  });

  it("is the very commit that was resolved before, though the branch was moved and the commit is on none", async () => {
    const repository = createRepository(join(root, "moved-branch"));
    const before = repository.commit({ "a.txt": "before\n" });
    repository.git(["update-ref", "-d", "refs/heads/main"]);
    repository.commit({ "b.txt": "after\n" });
    for (const url of [repository.url, server.urlOf("moved-branch")]) {
      const base = await prepareBase(repositories(), { url, commit: before });
      expect(readdirSync(base.path)).toEqual(["a.txt"]);
    }
  });

  it("is refused when the commit that was resolved before is nowhere", async () => {
    const commit = "0123456789012345678901234567890123456789";
    await expect(prepareBase(repositories(), { url: demo.url, commit })).rejects.toMatchObject({
      code: "base_unavailable",
      isPassing: false,
      message: expect.stringContaining(`does not give commit ${commit}`),
    });
  });

  it("asks a warm mirror's server for the ref alone", async () => {
    const own = repositories();
    await prepareBase(own, { url: server.urlOf("demo") });
    server.requests.length = 0;
    await prepareBase(own, { url: server.urlOf("demo") });
    expect(server.requests).toHaveLength(2); // what it offers, and what the ref is
  });

  it("is copied for a slot's user with its modes and links", async () => {
    const repository = createRepository(join(root, "copied"));
    repository.commitTree(
      repository.rawTree([
        { mode: "100755", name: "run", object: repository.blob("#!/bin/sh\n") },
        { mode: "120000", name: "to-nowhere", object: repository.blob("/nowhere") },
      ]),
    );
    const base = await prepareBase(repositories(), { url: repository.url });
    const to = join(folder, "copy");
    mkdirSync(to);
    const isRoot = process.getuid?.() === 0;
    const owner = isRoot
      ? { uid: 200_007, gid: 200_007 }
      : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    await copyTree(base.path, to, owner, unlimited());
    for (const name of ["", "run", "to-nowhere"]) expect(lstatSync(join(to, name))).toMatchObject(owner);
    expect(lstatSync(join(to, "run")).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(to, "to-nowhere"))).toBe("/nowhere");
  });

  it("is there for 20 that ask at once, who fetch once", async () => {
    const own = repositories();
    const told: string[] = [];
    const isRoot = process.getuid?.() === 0;
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const wanted = { tenant: "acme", url: server.urlOf("demo"), ref: "main" };
        const base = await own.prepareBase(wanted, (line) => told.push(line), unlimited());
        const to = join(folder, `at-once-${n}`);
        mkdirSync(to);
        const id = isRoot ? 200_000 + n : (process.getuid?.() ?? 0);
        await copyTree(base.path, to, { uid: id, gid: isRoot ? id : (process.getgid?.() ?? 0) }, unlimited());
        return readFileSync(join(to, "readme.md"), "utf8");
      }),
    );
    expect(new Set(all).size).toBe(1);
    expect(told.filter((line) => line.startsWith("fetching"))).toHaveLength(1);
    expect(told.filter((line) => line.startsWith("prepared"))).toHaveLength(1);
  });

  it("goes when it is released and others need the room, and never before", async () => {
    const own = repositories({ shelf: { bases: 1, bytes: 1_000_000 } });
    const repository = createRepository(join(root, "evicted"));
    const older = await prepareBase(own, { url: repository.url, ref: repository.commit({ "a.txt": "1\n" }) });
    const newer = await prepareBase(own, { url: repository.url, ref: repository.commit({ "a.txt": "2\n" }) });
    expect(readdirSync(older.path)).toEqual(["a.txt"]);
    own.release(older);
    const newest = await prepareBase(own, { url: repository.url, ref: repository.commit({ "a.txt": "3\n" }) });
    expect(() => readdirSync(older.path)).toThrow("ENOENT");
    for (const kept of [newer, newest]) expect(readdirSync(kept.path)).toEqual(["a.txt"]);
  });
});

describe("a mirror", () => {
  it("is begun anew when it is broken, and the broken one stays for the runs that borrow from it", async () => {
    const own = repositories();
    const before = await prepareBase(own, { url: demo.url });
    writeFileSync(join(before.gitDir, "HEAD"), "");
    const next = await prepareBase(own, { url: demo.url });
    expect(next.gitDir).not.toBe(before.gitDir);
    expect(readdirSync(before.gitDir)).toContain("objects");
  });

  it("is used on after a worker that was killed in a fetch: half-done files go", async () => {
    const own = repositories();
    const repository = createRepository(join(root, "killed"));
    repository.commit({ "a.txt": "1\n" });
    const { gitDir } = await prepareBase(own, { url: repository.url });
    const kept = join(gitDir, "refs/kept", readdirSync(join(gitDir, "refs/kept"))[0] ?? "");
    const leftovers = [`${kept}.lock`, join(gitDir, "objects/pack/tmp_pack_x"), join(gitDir, "packed-refs.lock")];
    for (const path of leftovers) writeFileSync(path, "half");
    const commit = repository.commit({ "a.txt": "2\n" });
    const base = await prepareBase(own, { url: repository.url });
    expect(base).toMatchObject({ commit, gitDir });
    for (const path of leftovers) expect(() => lstatSync(path)).toThrow("ENOENT");
  });

  it("does not take a commit for whole whose files a killed fetch left out", async () => {
    const own = repositories();
    const repository = createRepository(join(root, "half"));
    repository.commit({ "a.txt": "1\n" });
    const { gitDir } = await prepareBase(own, { url: repository.url });
    const commit = repository.commit({ "a.txt": "2\n" });
    const bytes = repository.git(["cat-file", "commit", commit]);
    const put = ["hash-object", "-w", "-t", "commit", "--stdin"];
    const how = {
      gitDir,
      input: Buffer.from(`${bytes}\n`),
      maxOutputBytes: 100,
      timeoutMs: 10_000,
      signal: unlimited(),
    };
    expect((await runGit(put, how)).stdout.toString().trim()).toBe(commit);
    expect(readFileSync(join((await prepareBase(own, { url: repository.url })).path, "a.txt"), "utf8")).toBe("2\n");
  });

  it("is each tenant's own", async () => {
    const own = repositories({ roots: ["acme", "other"].map((tenant) => ({ tenant, path: root })) });
    const [one, other] = [
      await prepareBase(own, { url: demo.url }),
      await prepareBase(own, { url: demo.url, tenant: "other" }),
    ];
    expect(one.gitDir).not.toBe(other.gitDir);
    expect(one.path).not.toBe(other.path);
  });

  it("is another process's until that ends, and a killed one's no longer", async () => {
    const file = join(folder, "lock");
    const program = `const { underLock } = await import(${JSON.stringify(import.meta.resolve("../../workers/workspace/host/file-lock.ts"))});
      await underLock(process.argv[1], () => { console.log("has it"); return new Promise((done) => setTimeout(done, 60_000)); }, new AbortController().signal);`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program, file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const tooShort = AbortSignal.timeout(300);
    await expect(underLock(file, async () => "taken", tooShort)).rejects.toMatchObject({ name: "TimeoutError" });
    child.kill("SIGKILL");
    await expect(underLock(file, async () => "taken", AbortSignal.timeout(60_000))).resolves.toBe("taken");
  });
});

describe("a server", () => {
  it("that redirects is not followed", async () => {
    await expect(prepareBase(repositories(), { url: server.urlOf("moved/demo") })).rejects.toMatchObject({
      isPassing: false,
      message: expect.stringContaining("redirects are not followed"),
    });
  });

  it("with a certificate that nobody vouches for is refused, with the setting that names its authority", async () => {
    await expect(prepareBase(repositories({ caFile: undefined }), { url: server.urlOf("demo") })).rejects.toMatchObject(
      {
        isPassing: false,
        message: expect.stringMatching(/certificate.*AUTOMATION_REPOSITORY_CA_FILE/s),
      },
    );
  });

  it("that wants a password gets none, and nobody is asked", async () => {
    await expect(prepareBase(repositories(), { url: server.urlOf("secret/demo") })).rejects.toMatchObject({
      isPassing: false,
      message: expect.stringContaining("without a password"),
    });
  });

  it("in trouble, or that is not there, may be asked again", async () => {
    await expect(prepareBase(repositories(), { url: server.urlOf("down/demo") })).rejects.toMatchObject({
      isPassing: true,
    });
    const gone = repositories({ hosts: ["127.0.0.1:9"] });
    await expect(prepareBase(gone, { url: "https://127.0.0.1:9/demo" })).rejects.toMatchObject({
      isPassing: true,
      message: expect.stringContaining("check the network"),
    });
  });

  it("that never answers is left when the caller's signal says so, and git is gone", async () => {
    const stop = new AbortController();
    server.requests.length = 0;
    const wanted = { tenant: "acme", url: server.urlOf("stalled/demo"), ref: "main" };
    const waiting = repositories().prepareBase(wanted, quiet, stop.signal);
    const ended = expect(waiting).rejects.toThrow("enough");
    await expect.poll(() => server.requests.length, { timeout: 60_000 }).toBe(1);
    stop.abort(new Error("enough"));
    await ended;
    expect(gitProcesses("stalled/demo")).toEqual([]);
  });
});

function gitProcesses(word: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return line.includes(word) ? [line] : [];
      } catch {
        return []; // it has just ended
      }
    });
}

it("git is told nothing by the worker's environment and says no more than it may", async () => {
  process.env.GIT_DIR = "/nowhere";
  try {
    const asked = { gitDir: join(demo.path, ".git"), timeoutMs: 10_000, signal: unlimited() };
    const { stdout } = await runGit(["rev-parse", first], { ...asked, maxOutputBytes: 100 });
    expect(stdout.toString().trim()).toBe(first);
    await expect(runGit(["cat-file", "-p", first], { ...asked, maxOutputBytes: 10 })).rejects.toThrow(
      "more than 10 bytes",
    );
    await expect(runGit(["cat-file", "--batch"], { ...asked, maxOutputBytes: 10, timeoutMs: 1 })).rejects.toMatchObject(
      {
        code: "git_timeout",
      },
    );
    await expect(runGit(["ls-remote", "--", demo.url], { ...asked, maxOutputBytes: 1_000 })).rejects.toThrow(
      "not allowed",
    );
  } finally {
    delete process.env.GIT_DIR;
  }
});
