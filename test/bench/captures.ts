import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCaptureWorld } from "../support/worlds/capture-world.ts";
import { show, spreadOf, table } from "./statistics.ts";

const files = 10_000;
const perFolder = 100;
const rounds = 11;

const git = (cwd: string, ...args: readonly string[]) =>
  execFileSync("git", ["-c", "user.name=bench", "-c", "user.email=bench@localhost", ...args], {
    cwd,
    maxBuffer: 2 ** 28,
  });
const pathOf = (at: number) => `src/part-${Math.floor(at / perFolder)}/file-${at}.ts`;
const contentOf = (at: number, round: number) => `export const value${at} = ${round};\n`.repeat(20 + (at % 60));

/** Capture of 10 changes in 10,000 files beside what plain git takes for the same ones, by turns in one run. */
export async function benchCaptures(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "automation-bench-captures-"));
  const world = await startCaptureWorld();
  try {
    const clone = join(scratch, "clone");
    const gitDir = await makeRepository(join(scratch, "origin"));
    git(scratch, "clone", "--quiet", gitDir, clone);
    const [commit = "", tree = ""] = git(gitDir, "rev-parse", "HEAD", "HEAD^{tree}").toString().split("\n");
    const workspace = await world.workspaceOn({ gitDir, commit, tree });

    const pairs: { readonly ours: number; readonly plain: number }[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      await change(workspace.dir, round);
      await change(clone, round);
      let captured: string | undefined;
      const ours = await millisecondsOf(async () => {
        captured = (await workspace.capture()).capture.gitTree;
      });
      let written = "";
      const plain = await millisecondsOf(async () => {
        git(clone, "add", "-A");
        written = git(clone, "write-tree").toString().trim();
        git(clone, "diff", "--binary", "--cached");
      });
      if (captured !== written) throw new Error(`captured ${captured}, but git wrote ${written}`);
      if (round > 1) pairs.push({ ours, plain }); // the first one warms the caches
    }
    console.log(
      table(
        ["10 changes in 10,000 files", "milliseconds: median (spread)"],
        [
          ["capture, two boxes", show(spreadOf(pairs.map(({ ours }) => ours)))],
          ["git add -A, write-tree, diff --binary", show(spreadOf(pairs.map(({ plain }) => plain)))],
          ["capture ÷ git, by pairs", show(spreadOf(pairs.map(({ ours, plain }) => ours / plain)), 2)],
        ],
      ),
    );
  } finally {
    await world.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @returns a bare repository */
async function makeRepository(dir: string): Promise<string> {
  await mkdir(dir);
  git(dir, "init", "--quiet");
  for (let at = 0; at < files; at += 1) {
    if (at % perFolder === 0) await mkdir(join(dir, pathOf(at), ".."), { recursive: true });
    await writeFile(join(dir, pathOf(at)), contentOf(at, 0));
  }
  git(dir, "add", "-A");
  git(dir, "commit", "--quiet", "-m", "base");
  git(dir, "repack", "-adq");
  return join(dir, ".git");
}

/** Seven files modified, two added, one deleted. */
async function change(dir: string, round: number): Promise<void> {
  for (let at = 0; at < 7; at += 1) await writeFile(join(dir, pathOf(at * 1_000)), contentOf(at, round));
  for (let at = 0; at < 2; at += 1) await writeFile(join(dir, `src/part-${at}/new.ts`), contentOf(at, round));
  if (round === 1) await unlink(join(dir, pathOf(files - 1)));
}

async function millisecondsOf(work: () => Promise<void>): Promise<number> {
  const started = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - started) / 1e6;
}
