import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { buildWithGo } from "./build-with-go.ts";
import { findOnPath } from "./programs.ts";

/** A machine whose `go` says what the test wants and notes how it was called. */
let machine: string;
const steps: string[] = [];
const calls = () => readFileSync(join(machine, "calls"), "utf8").trim().split("\n");

beforeEach(() => {
  machine = mkdtempSync(join(tmpdir(), "automation-go-"));
  steps.length = 0;
  for (const program of ["sh", "sleep", "touch", "setpriv", "env"])
    symlinkSync(findOnPath(program) ?? program, join(machine, program));
  mkdirSync(join(machine, "out"));
  writeFileSync(join(machine, "go.mod"), "module x\n\ngo 1.25.0\n");
  vi.stubEnv("PATH", machine);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(machine, { recursive: true });
});

function goDoes(cases: string): void {
  const script = `#!/bin/sh\ncase "$1" in version) echo go version go1.25.1 linux/amd64 ;;\n${cases}\nesac\n`;
  writeFileSync(join(machine, "go"), script);
  chmodSync(join(machine, "go"), 0o755);
}

const build = (engine: string) =>
  buildWithGo({
    engine,
    moduleDir: machine,
    dir: join(machine, "out"),
    step: (text) => steps.push(text),
    signal: AbortSignal.timeout(60_000),
  });

it("counts the modules it fetches and the packages it compiles, and holds what is unfinished in the folder of the build", async () => {
  goDoes(`list) echo go: downloading a v1 >&2; echo go: downloading b v2 >&2; echo one; echo two; echo three ;;
build) echo "$GOTMPDIR $HOME" > ${machine}/calls; echo one >&2; echo two >&2; shift; touch "$3" ;;`);
  vi.stubEnv("HOME", undefined);
  await build("thing");
  expect(steps).toEqual([
    "1 modules fetched",
    "2 modules fetched",
    "1 of 3 packages compiled",
    "2 of 3 packages compiled",
  ]);
  expect(existsSync(join(machine, "out", "thing"))).toBe(true);
  expect(calls()).toEqual([expect.stringMatching(new RegExp(`^${join(machine, "out")} /.+`))]);
});

it("says what Go complains of, not what it has compiled", async () => {
  goDoes("list) echo one; echo two ;;\nbuild) echo one >&2; echo 'x.go:1: no such thing' >&2; echo two >&2; exit 1 ;;");
  await expect(build("thing")).rejects.toThrow(/^x\.go:1: no such thing$/m);
  goDoes("list) echo 'go: a@v1: no such module' >&2; exit 1 ;;");
  await expect(build("thing")).rejects.toThrow("go: a@v1: no such module");
});

it("builds one after the other, since each build uses all cores, also after one that failed", async () => {
  goDoes(`list) echo one ;;
build) echo "begin $4" >> ${machine}/calls; sleep 0.2; echo "end $4" >> ${machine}/calls; [ "\${4##*/}" != first ] ;;`);
  const ended = await Promise.allSettled(["first", "second", "third"].map(build));
  expect(ended.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "fulfilled"]);
  const at = (name: string) => join(machine, "out", name);
  expect(calls()).toEqual(["first", "second", "third"].flatMap((name) => [`begin ${at(name)}`, `end ${at(name)}`]));
});
