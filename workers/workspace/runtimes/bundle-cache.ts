import { createHash } from "node:crypto";
import { lstat, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Bundle } from "./runtime.ts";
import { BundleAlteredError, unpackBundle } from "./unpack-bundle.ts";

export interface BundleCache {
  /**
   * Gives the bundle of a digest. Concurrent calls for the same digest share one fetch.
   * @param fetch - gives the tar's bytes; no more than 4 MiB are read
   * @throws BundleAlteredError when the bytes have another digest or are no bundle; what `fetch` throws; the signal's reason
   */
  get(
    digest: string,
    fetch: (signal: AbortSignal) => Promise<Buffer | AsyncIterable<Uint8Array>>,
    signal: AbortSignal,
  ): Promise<Bundle>;
}

interface Cached {
  readonly bundle: Bundle;
  readonly seal: string;
  readonly usedAtMs: number;
}

const largestBytes = 4 * 1024 * 1024;
const keptBundles = 64;
/** A bundle may be mounted for as long as a step takes. */
const keptMs = 24 * 60 * 60 * 1_000;

/**
 * Keeps unpacked bundles for as long as the worker lives: 64 of them, and every one that was used within a day. At each use the inode, change time, size and mode
 * of all its files are compared with those that were unpacked; when they differ, it is fetched again.
 * @param deps.bundlesDir - used by this cache alone; what an earlier worker left there is removed
 */
export function createBundleCache(deps: { readonly bundlesDir: string; readonly now: () => Date }): BundleCache {
  const cached = new Map<string, Cached>();
  const fetching = new Map<string, Promise<Bundle>>();
  let emptied: Promise<void> | undefined;

  const use = (digest: string, { bundle, seal }: Pick<Cached, "bundle" | "seal">): Bundle => {
    cached.delete(digest); // moves it to the end: the last one used
    cached.set(digest, { bundle, seal, usedAtMs: deps.now().getTime() });
    return bundle;
  };

  const forget = async (digest: string, { bundle }: Cached) => {
    cached.delete(digest);
    await rm(bundle.path, { recursive: true, force: true });
  };

  const trim = async () => {
    const old = [...cached].slice(0, Math.max(0, cached.size - keptBundles));
    const atMs = deps.now().getTime();
    for (const [digest, each] of old) if (atMs - each.usedAtMs > keptMs) await forget(digest, each);
  };

  const provide = async (digest: string, fetch: Parameters<BundleCache["get"]>[1], signal: AbortSignal) => {
    emptied ??= emptyFolder(deps.bundlesDir);
    await emptied;
    const known = cached.get(digest);
    if (known !== undefined) {
      if ((await sealOf(known.bundle.path)) === known.seal) return use(digest, known);
      await forget(digest, known);
    }
    const tar = await readTar(digest, await fetch(signal));
    const made = await mkdtemp(join(deps.bundlesDir, ".new-"));
    try {
      const unpacked = await unpackBundle(digest, tar, made);
      const path = join(deps.bundlesDir, digest);
      await rename(made, path);
      await trim();
      return use(digest, { bundle: { digest, path, ...unpacked }, seal: (await sealOf(path)) ?? "" });
    } catch (error) {
      await rm(made, { recursive: true, force: true });
      throw error;
    }
  };

  return {
    async get(digest, fetch, signal) {
      if (!/^[0-9a-f]{64}$/.test(digest))
        throw new BundleAlteredError(digest, "its digest must be 64 lower-case hex digits");
      for (;;) {
        signal.throwIfAborted();
        const others = fetching.get(digest);
        if (others === undefined) break;
        const bundle = await untilAborted(others, signal).catch(() => undefined); // their fetch failed: try again
        if (bundle !== undefined) return bundle;
      }
      const own = provide(digest, fetch, signal).finally(() => fetching.delete(digest));
      fetching.set(digest, own);
      return await own;
    },
  };
}

async function readTar(digest: string, got: Buffer | AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of Buffer.isBuffer(got) ? [got] : got) {
    size += chunk.byteLength;
    if (size > largestBytes) throw new BundleAlteredError(digest, `it has more than ${largestBytes} bytes`);
    chunks.push(chunk);
  }
  const tar = Buffer.concat(chunks);
  const found = createHash("sha256").update(tar).digest("hex");
  if (found !== digest) throw new BundleAlteredError(digest, `what came has the sha256 ${found}`);
  return tar;
}

/** @returns a digest that changes with anything in the folder; undefined when the folder is gone */
async function sealOf(folder: string): Promise<string | undefined> {
  try {
    const names = (await readdir(folder, { recursive: true })).sort();
    const facts = await Promise.all(
      ["", ...names].map(async (name) => {
        const { ino, ctimeNs, size, mode } = await lstat(join(folder, name), { bigint: true });
        return `${name}\0${ino} ${ctimeNs} ${size} ${mode}`;
      }),
    );
    return createHash("sha256").update(facts.join("\0\0")).digest("hex");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function emptyFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
}

async function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
