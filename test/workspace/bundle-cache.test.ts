import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Header } from "tar-stream";
import { pack } from "tar-stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createBundleCache } from "../../workers/workspace/runtimes/bundle-cache.ts";
import { digestOf, tarOf } from "../support/worlds/persona-world.ts";

const never = new AbortController().signal;
const manifest = JSON.stringify({ id: "tried", version: "1", runtime: { command: { argv: ["node"] } } });
const day = 24 * 60 * 60 * 1_000;

let bundlesDir: string;
let clockMs = 0;
let cache: ReturnType<typeof createBundleCache>;
beforeEach(async () => {
  bundlesDir = await mkdtemp(join(tmpdir(), "automation-bundle-test-"));
  clockMs = 0;
  cache = createBundleCache({ bundlesDir, now: () => new Date(clockMs) });
});
afterEach(() => rm(bundlesDir, { recursive: true }));

/** A tar that an attacker writes: every header is as it is told. */
async function tarWith(entries: readonly (Partial<Header> & { readonly name: string })[], text = "x"): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: "persona.json" }, manifest);
  for (const entry of entries) {
    const hasBytes = entry.type === undefined || entry.type === "file";
    if (hasBytes) tar.entry(entry, text);
    else tar.entry(entry);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function overwrite(file: string): Promise<void> {
  await chmod(file, 0o644);
  await writeFile(file, "y");
  await chmod(file, 0o444);
}

const counted = (tar: Buffer) => {
  const fetches: AbortSignal[] = [];
  return {
    fetches,
    digest: digestOf(tar),
    fetch: async (signal: AbortSignal) => {
      fetches.push(signal);
      return tar;
    },
  };
};

describe("the cache of bundles", () => {
  it("unpacks a bundle once, read-only for everybody, and gives it again", async () => {
    const tar = await tarWith(
      [
        { name: "lib/deep/run.sh", mode: 0o755 },
        { name: "main.mjs", mode: 0o600 },
      ],
      "content",
    );
    const { digest, fetch, fetches } = counted(tar);
    const bundle = await cache.get(digest, fetch, never);
    expect(bundle).toEqual({
      digest,
      path: join(bundlesDir, digest),
      manifest: JSON.parse(manifest),
      runtime: "command",
    });
    expect(await readFile(join(bundle.path, "lib/deep/run.sh"), "utf8")).toBe("content");
    const modes = await Promise.all(
      ["", "lib", "lib/deep", "lib/deep/run.sh", "main.mjs"].map(
        async (name) => (await lstat(join(bundle.path, name))).mode & 0o777,
      ),
    );
    expect(modes).toEqual([0o755, 0o755, 0o755, 0o555, 0o444]);
    expect(await cache.get(digest, fetch, never)).toEqual(bundle);
    expect(fetches).toHaveLength(1);
    expect(await readdir(bundlesDir)).toEqual([digest]);
  });

  it("fetches once for all who ask at the same time", async () => {
    const { digest, fetch, fetches } = counted(await tarWith([]));
    const got = await Promise.all(Array.from({ length: 10 }, () => cache.get(digest, fetch, never)));
    expect(new Set(got.map(({ path }) => path)).size).toBe(1);
    expect(fetches).toHaveLength(1);
  });

  it("lets each one who waited try by itself when the first one failed", async () => {
    const { digest, fetch } = counted(await tarWith([]));
    const started = Promise.withResolvers<void>();
    const stop = new AbortController();
    const first = cache.get(
      digest,
      (signal) => {
        started.resolve();
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
      stop.signal,
    );
    await started.promise;
    const others = [cache.get(digest, fetch, never), cache.get(digest, fetch, never)];
    const impatient = new AbortController();
    const another = cache.get(digest, fetch, impatient.signal);
    impatient.abort(new Error("no time"));
    await expect(another).rejects.toThrow("no time");
    stop.abort(new Error("cancelled"));
    await expect(first).rejects.toThrow("cancelled");
    for (const bundle of await Promise.all(others)) expect(bundle.digest).toBe(digest);
  });

  it("reads a stream, and refuses other bytes than the digest's and more than 4 MiB", async () => {
    const tar = await tarWith([]);
    const stream = async () => ReadableStream.from([tar.subarray(0, 700), tar.subarray(700)]);
    expect((await cache.get(digestOf(tar), stream, never)).manifest.id).toBe("tried");
    const other = "a".repeat(64);
    await expect(cache.get(other, stream, never)).rejects.toMatchObject({
      code: "bundle_altered",
      digest: other,
      message: expect.stringContaining(`has the sha256 ${digestOf(tar)}`),
    });
    let sent = 0;
    const endless = async function* () {
      for (; ; sent += 1) yield Buffer.alloc(1024 * 1024);
    };
    await expect(cache.get(other, async () => endless(), never)).rejects.toThrow("more than 4194304 bytes");
    expect(sent).toBeLessThan(6);
    await expect(cache.get("../../etc", stream, never)).rejects.toMatchObject({ code: "bundle_altered" });
    expect(await readdir(bundlesDir)).toEqual([digestOf(tar)]);
  });

  it.each([
    ["content", (path: string) => overwrite(join(path, "main.mjs"))],
    ["mode", (path: string) => chmod(join(path, "main.mjs"), 0o777)],
    [
      "content, with its times put back",
      async (path: string) => {
        const { atime, mtime } = await lstat(join(path, "main.mjs"));
        await overwrite(join(path, "main.mjs"));
        await utimes(join(path, "main.mjs"), atime, mtime);
      },
    ],
    ["further file", (path: string) => writeFile(join(path, "lib/more"), "y")],
    ["missing file", (path: string) => rm(join(path, "main.mjs"))],
    ["missing folder", (path: string) => rm(path, { recursive: true })],
  ])("notices an altered bundle and fetches it again: %s", async (_, alter) => {
    const tar = await tarWith([{ name: "main.mjs" }, { name: "lib/a" }]);
    const { digest, fetch, fetches } = counted(tar);
    const { path } = await cache.get(digest, fetch, never);
    await alter(path);
    expect(await cache.get(digest, fetch, never)).toMatchObject({ path });
    expect(fetches).toHaveLength(2);
    expect(await readFile(join(path, "main.mjs"), "utf8")).toBe("x");
    expect((await readdir(path, { recursive: true })).sort()).toEqual(["lib", "lib/a", "main.mjs", "persona.json"]);
  });

  it("removes what an earlier worker left, and bundles that nobody asked for within a day", async () => {
    await mkdir(join(bundlesDir, "b".repeat(64)));
    await writeFile(join(bundlesDir, ".new-abc"), "");
    const tars = await Promise.all(
      Array.from({ length: 67 }, (_, index) => tarOf({ "persona.json": manifest, n: `${index}` })),
    );
    for (const tar of tars.slice(0, 65)) await cache.get(digestOf(tar), async () => tar, never);
    expect(await readdir(bundlesDir)).toHaveLength(65);
    clockMs = 2 * day;
    const [first, second, third] = tars.map(digestOf);
    await cache.get(first ?? "", () => Promise.reject(new Error("it is there")), never);
    for (const tar of tars.slice(65)) await cache.get(digestOf(tar), async () => tar, never);
    const left = await readdir(bundlesDir);
    expect(left).toHaveLength(65);
    expect(left).toContain(first);
    expect(left).not.toContain(second);
    expect(left).not.toContain(third);
  });
});

describe("a bundle that is not a bundle is refused, and nothing of it stays:", () => {
  it.each([
    ["a path that leads out", [{ name: "../x" }], /must be relative/],
    ["a path that leads out further in", [{ name: "a/../../x" }], /must be relative/],
    ["an absolute path", [{ name: "/etc/x" }], /must be relative/],
    ["an empty part", [{ name: "a//x" }], /must be relative/],
    ["a symbolic link", [{ name: "x", type: "symlink", linkname: "/etc/passwd" }], /is a symlink/],
    ["a hard link", [{ name: "x", type: "link", linkname: "persona.json" }], /is a link/],
    ["a device", [{ name: "x", type: "character-device" }], /is a character-device/],
    ["a FIFO", [{ name: "x", type: "fifo" }], /is a fifo/],
    ["a name that is there twice", [{ name: "x" }, { name: "x" }], /"x" is there twice/],
    ["a file and a folder of one name", [{ name: "x" }, { name: "x/y" }], /"x" is a file and a folder/],
    ["a name that is not NFC", [{ name: "u\u0308" }], /normalisation form C/],
    ["a control character", [{ name: "a\u001b[31m" }], /control character/],
    ["a backslash", [{ name: "a\\b" }], /backslash/],
    ["too many levels", [{ name: `${"a/".repeat(20)}x` }], /has 21 levels; 20 are allowed/],
    ["too long a path", [{ name: `${"a".repeat(200)}/${"b".repeat(100)}` }], /more than 256 bytes/],
    ["too many files", Array.from({ length: 1_000 }, (_, index) => ({ name: `f${index}` })), /more than 1000 files/],
  ] as const)("%s", async (_, entries, rule) => {
    const { digest, fetch } = counted(await tarWith(entries));
    const refused = await cache.get(digest, fetch, never).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: "BundleAlteredError", code: "bundle_altered", digest });
    expect(String(refused)).toMatch(rule);
    expect(await readdir(bundlesDir)).toEqual([]);
  });

  it.each([
    ["no tar", Buffer.from("no tar".repeat(200)), /is not a tar/],
    ["a tar that is cut off", undefined, /is not a tar/],
  ])("%s", async (_, bytes, rule) => {
    const tar = bytes ?? (await tarWith([{ name: "x" }], "x".repeat(5_000))).subarray(0, 3_000);
    const { digest, fetch } = counted(tar);
    await expect(cache.get(digest, fetch, never)).rejects.toThrow(rule);
    expect(await readdir(bundlesDir)).toEqual([]);
  });

  it.each([
    [{}, /has no persona\.json/],
    [{ "persona.json": "{" }, /persona\.json can't be read/],
    [{ "persona.json": '{"id":7}' }, /persona\.json can't be read/],
    [{ "persona.json": '{"id":"x"}' }, /names no runtime/],
    [
      { "persona.json": manifest.replace("{", '{"outputSchema":"../../../etc/passwd",') },
      /outputSchema of its manifest names \.\.\/\.\.\/\.\.\/etc\/passwd/,
    ],
  ])("a manifest such as in %j", async (files, rule) => {
    const { digest, fetch } = counted(await tarOf({ other: "x", ...files }));
    await expect(cache.get(digest, fetch, never)).rejects.toThrow(rule);
  });
});
