import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { copyTree } from "../../workers/workspace/repo/copy-tree.ts";
import { createGitRepositories } from "../../workers/workspace/repo/git-repositories.ts";
import { createRepository, git, temporaryFolder } from "../support/builders/repositories.ts";
import { makeRepositoryArea } from "../support/worlds/repository-world.ts";
import { show, spreadOf, table } from "./statistics.ts";

const rounds = 7;
const atOnce = 20;
const files = 2_000;
const filesPerFolder = 100;
/** Random, so that nothing packs smaller: 100 MB in all. */
const fileBytes = 50_000;

interface WorkspaceRound {
  readonly cloneMs: number;
  /** Mirror and base are there: the ref is asked for, the tree is copied and given to the slot's user. */
  readonly warmMs: number;
  /** Neither is there. */
  readonly coldMs: number;
}

interface Measured {
  readonly rounds: readonly WorkspaceRound[];
  /** Milliseconds of those that were ready; the rest failed. */
  readonly readyMs: readonly number[];
}

/** A workspace ready to work in ÷ `git clone` of the same repository, by turns; then many workspaces at once. */
export async function benchWorkspaces(): Promise<void> {
  const { rounds: all, readyMs } = await measure();
  const row = (name: string, ofRound: (round: WorkspaceRound) => number) => [
    name,
    show(spreadOf(all.map(ofRound))),
    show(spreadOf(all.map((round) => ofRound(round) / round.cloneMs)), 2),
  ];
  const size = `${Math.round((files * fileBytes) / 1e6)} MB in ${files} files`;
  console.log(
    table(
      [`Workspace of ${size}`, "ms: median (spread)", "÷ git clone, by pairs"],
      [
        row("git clone", ({ cloneMs }) => cloneMs),
        row("ready, mirror and base warm", ({ warmMs }) => warmMs),
        row("ready, nothing there", ({ coldMs }) => coldMs),
        [`${atOnce} at once, each`, show(spreadOf(readyMs)), `${atOnce - readyMs.length} failures`],
      ],
    ),
  );
}

async function measure(): Promise<Measured> {
  const folder = temporaryFolder();
  try {
    const root = join(folder.path, "repositories");
    const repository = createRepository(join(root, "large"));
    repository.commit(
      Object.fromEntries(
        Array.from({ length: files }, (_, n) => [
          `folder-${Math.floor(n / filesPerFolder)}/file-${n}.bin`,
          randomBytes(fileBytes),
        ]),
      ),
    );
    repository.git(["repack", "-a", "-d", "-q"]);

    const { signal } = new AbortController();
    const newRepositories = (name: string) => {
      const area = makeRepositoryArea(join(folder.path, name));
      return createGitRepositories({ area, roots: [{ tenant: "acme", path: root }], hosts: [] });
    };
    const ready = async (from: ReturnType<typeof newRepositories>, slot: number, to: string) => {
      const wanted = { tenant: "acme", url: repository.url, ref: "main" };
      const base = await from.prepareBase(wanted, () => undefined, signal);
      mkdirSync(to);
      const isRoot = process.getuid?.() === 0;
      const uid = isRoot ? 200_000 + slot : (process.getuid?.() ?? 0);
      await copyTree(base.path, to, { uid, gid: isRoot ? uid : (process.getgid?.() ?? 0) }, signal);
      from.release(base);
    };
    const clone = async (to: string) => {
      git(folder.path, ["clone", "--quiet", repository.url, to]);
    };
    const measured = async (work: (to: string) => Promise<void>) => {
      const to = join(folder.path, "made");
      const began = performance.now();
      await work(to);
      const tookMs = performance.now() - began;
      rmSync(to, { recursive: true });
      return tookMs;
    };

    const warm = newRepositories("warm");
    await measured((to) => ready(warm, 0, to));
    await measured(clone);
    const measuredRounds: WorkspaceRound[] = [];
    for (let n = 0; n < rounds; n += 1) {
      console.error(`workspaces: round ${n + 1} of ${rounds}`);
      const cold = `cold-${n}`;
      let [cloneMs, warmMs] = [0, 0];
      const turns: readonly (() => Promise<void>)[] = [
        async () => {
          cloneMs = await measured(clone);
        },
        async () => {
          warmMs = await measured((to) => ready(warm, 0, to));
        },
      ];
      // who goes first changes, so that neither always meets the fuller disk cache
      for (const turn of n % 2 === 0 ? turns : turns.toReversed()) await turn();
      const coldMs = await measured((to) => ready(newRepositories(cold), 0, to));
      rmSync(join(folder.path, cold), { recursive: true });
      measuredRounds.push({ cloneMs, warmMs, coldMs });
    }

    const began = performance.now();
    const all = await Promise.allSettled(
      Array.from({ length: atOnce }, async (_, slot) => {
        await ready(warm, slot, join(folder.path, `slot-${slot}`));
        return performance.now() - began;
      }),
    );
    const readyMs = all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    return { rounds: measuredRounds, readyMs };
  } finally {
    folder.remove();
  }
}
