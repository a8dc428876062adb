import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { findBy } from "../../test/support/probes/find.ts";
import type { Build } from "./cache.ts";
import { buildIntoCache } from "./cache.ts";

let cache: string;

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "automation-cache-"));
  vi.stubEnv("XDG_CACHE_HOME", cache);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

const engines = () => join(cache, "automation-scheduler", "engines");
const quiet = () => findBy(new AbortController().signal);

function aBuild(overrides: Partial<Build> = {}): Build & { made: number } {
  const build = {
    engine: "thing",
    version: "1.0.0",
    spaceBytes: 1,
    duration: "no time",
    made: 0,
    make: async (dir: string) => {
      build.made += 1;
      writeFileSync(join(dir, "program"), "whole");
    },
    ...overrides,
  };
  return build;
}

it("builds once and answers the same folder from then on", async () => {
  const build = aBuild();
  const dir = await buildIntoCache(build, quiet());
  expect(await buildIntoCache(build, quiet())).toBe(dir);
  expect(build.made).toBe(1);
  expect(readFileSync(join(dir, "program"), "utf8")).toBe("whole");
});

it("lets one of two starts at once build, and the other one use it", async () => {
  const build = aBuild();
  const [first, second] = await Promise.all([buildIntoCache(build, quiet()), buildIntoCache(build, quiet())]);
  expect(first).toBe(second);
  expect(build.made).toBe(1);
});

it.each([
  ["changed", (dir: string) => writeFileSync(join(dir, "program"), "other")],
  ["removed", (dir: string) => rmSync(join(dir, "program"))],
  ["joined by a foreign one", (dir: string) => writeFileSync(join(dir, "more"), "")],
])("builds again when a cached file was %s", async (_what, harm) => {
  const build = aBuild();
  const dir = await buildIntoCache(build, quiet());
  harm(dir);
  await buildIntoCache(build, quiet());
  expect(build.made).toBe(2);
  expect(readdirSync(dir).sort()).toEqual(["SHA256SUMS", "program"]);
  expect(readFileSync(join(dir, "program"), "utf8")).toBe("whole");
});

it("keeps nothing of a build that fails, and names the reason", async () => {
  const build = aBuild({
    make: async (dir) => {
      writeFileSync(join(dir, "program"), "half");
      throw new Error("first line\nthe compiler gave up");
    },
  });
  await expect(buildIntoCache(build, quiet())).rejects.toMatchObject({
    code: "build_failed",
    message: "the build of thing 1.0.0 failed: the compiler gave up; mend that and start again",
  });
  expect(readdirSync(engines())).toEqual(["thing-1.0.0.lock"]);
});

it("clears what a killed build left behind", async () => {
  await buildIntoCache(aBuild(), quiet());
  const left = join(engines(), ".other-1.0.0.999");
  writeFileSync(left, "half");
  await buildIntoCache(aBuild({ engine: "other" }), quiet());
  expect(existsSync(left)).toBe(false);
});

it("names an interrupted build", async () => {
  const stop = new AbortController();
  const build = aBuild({
    make: async () => {
      stop.abort();
      stop.signal.throwIfAborted();
    },
  });
  await expect(buildIntoCache(build, findBy(stop.signal))).rejects.toMatchObject({
    code: "interrupted",
  });
  expect(existsSync(join(engines(), "thing-1.0.0"))).toBe(false);
});

it.each([
  'Get "https://proxy.invalid/x.zip": dial tcp: lookup proxy.invalid: no such host',
  "[ERROR] Could not transfer artifact org.x:y:pom:1 from/to central: Unknown host repo.invalid",
])("names the network and the mirrors when it has to be fetched and cannot: %s", async (complaint) => {
  const offline = aBuild({
    make: async () => {
      throw new Error(complaint);
    },
  });
  const message = expect.stringMatching(/^thing 1\.0\.0 has to be fetched once, .*GOPROXY.* and start again$/);
  await expect(buildIntoCache(offline, quiet())).rejects.toMatchObject({ code: "offline", message });
});

it("names a cache that cannot be written, and what to do", async () => {
  vi.stubEnv("XDG_CACHE_HOME", "/dev/null");
  await expect(buildIntoCache(aBuild(), quiet())).rejects.toMatchObject({
    code: "unwritable_cache",
    message:
      "/dev/null/automation-scheduler/engines cannot be written (ENOTDIR); mend that, or point XDG_CACHE_HOME at a folder of yours, and start again",
  });
});

it("tells how far a build is, and how long it took", async () => {
  const said: string[] = [];
  const build = aBuild({ make: async (_dir, step) => step("3 of 9 packages compiled") });
  await buildIntoCache(
    build,
    findBy(new AbortController().signal, (line) => said.push(line)),
  );
  expect(said).toEqual([
    "preparing thing 1.0.0: once on this machine, no time",
    "preparing thing 1.0.0: 3 of 9 packages compiled",
    "prepared thing 1.0.0",
  ]);
});

it("names a disk that is too full before the build, and one that fills up during it", async () => {
  await expect(buildIntoCache(aBuild({ spaceBytes: 1e18 }), quiet())).rejects.toMatchObject({ code: "disk_full" });
  const filling = aBuild({
    make: async () => {
      throw new Error("write program: no space left on device");
    },
  });
  await expect(buildIntoCache(filling, quiet())).rejects.toMatchObject({
    code: "disk_full",
    message: expect.stringContaining("free some, or point XDG_CACHE_HOME elsewhere"),
  });
});
