import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CliError } from "../../src/cli/cli-error.ts";
import { makeDemoRepository } from "./repository.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "automation-demo-repository-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true });
});

const never = new AbortController().signal;
const golden = "195ebecfd4567ce32126b21a2bdb402e3d3326e2";

function folder(name: string): string {
  const from = join(dir, name);
  mkdirSync(join(from, "src"), { recursive: true });
  writeFileSync(join(from, ".gitignore"), "report.xml\n");
  writeFileSync(join(from, "src", "cents.js"), "export const euro = 100;\r\n");
  return from;
}

const git = (repository: string, ...args: string[]) => {
  const identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "safe.directory=*"];
  return spawnSync("git", ["-C", repository, ...identity, ...args], { encoding: "utf8" }).stdout.trim();
};

describe("the demo's repository", () => {
  it("is one commit on main with the same sha on any machine", async () => {
    const to = join(dir, "deep", "webshop");
    const made = await makeDemoRepository(folder("from"), to, never);
    expect(made).toEqual({ url: `file://${to}`, commit: golden });
    expect(fileURLToPath(made.url)).toBe(to);
    expect(git(to, "log", "--format=%D %an %aI")).toBe("HEAD -> main Webshop 2026-01-05T09:00:00+00:00");
    expect(git(to, "status", "--porcelain")).toBe("");
    expect(readdirSync(join(dir, "deep"))).toEqual(["webshop"]);
  });

  it("has that sha whatever modes, times, leftovers and git settings there are", async () => {
    const from = folder("from");
    writeFileSync(join(from, "report.xml"), "left behind");
    chmodSync(join(from, "src", "cents.js"), 0o755);
    utimesSync(join(from, "src", "cents.js"), 1, 1);
    const config = join(dir, "config");
    writeFileSync(config, "[core]\n\tautocrlf = true\n[commit]\n\tgpgSign = true\n[init]\n\tdefaultBranch = other\n");
    vi.stubEnv("GIT_CONFIG_GLOBAL", config);
    vi.stubEnv("GIT_AUTHOR_NAME", "Somebody");
    vi.stubEnv("GIT_DIR", join(dir, "elsewhere"));
    expect((await makeDemoRepository(from, join(dir, "webshop"), never)).commit).toBe(golden);
  });

  it("is kept with what was committed since, and replaced when it is another one", async () => {
    const to = join(dir, "webshop");
    const from = folder("from");
    await makeDemoRepository(from, to, never);
    writeFileSync(join(to, "mine.txt"), "mine");
    git(to, "add", "--all");
    git(to, "commit", "--quiet", "--message=mine");
    expect((await makeDemoRepository(from, to, never)).commit).toBe(golden);
    expect(readFileSync(join(to, "mine.txt"), "utf8")).toBe("mine");
    writeFileSync(join(from, "src", "cents.js"), "export const euro = 101;\n");
    const { commit } = await makeDemoRepository(from, to, never);
    expect(commit).not.toBe(golden);
    expect(git(to, "rev-parse", "main")).toBe(commit);
    expect(readdirSync(to).toSorted()).toEqual([".git", ".gitignore", "src"]);
  });

  it("can't be made without git, and nothing is left behind", async () => {
    vi.stubEnv("PATH", dir);
    const made = makeDemoRepository(folder("from"), join(dir, "webshop"), never);
    await expect(made).rejects.toThrow(new CliError(1, "git is not installed; install git 2.28 or newer"));
    expect(readdirSync(dir)).toEqual(["from"]);
  });
});
