import { spawn } from "node:child_process";
import { once } from "node:events";
import { createBubblewrap } from "../../workers/workspace/sandbox/bubblewrap.ts";
import type { BoxSpec } from "../../workers/workspace/sandbox/sandbox.ts";
import { openTestArea, roomyLimits } from "../support/worlds/boxes.ts";
import { show, spreadOf, table } from "./statistics.ts";

const rounds = 60;
const warmUps = 5;

/** The least that makes a box of the host's programs; everything else is what ours adds. */
const bare = [
  "--unshare-all",
  "--die-with-parent",
  "--ro-bind",
  "/usr",
  "/usr",
  "--symlink",
  "usr/bin",
  "/bin",
  "--symlink",
  "usr/lib",
  "/lib",
  "--symlink",
  "usr/lib64",
  "/lib64",
  "--proc",
  "/proc",
  "--dev",
  "/dev",
  "true",
];

/** From the call until the box is gone: our box of `true` and a bare bwrap of it take turns. */
export async function benchBoxes(): Promise<void> {
  const { area, remove } = await openTestArea();
  const never = new AbortController().signal;
  try {
    const sandbox = createBubblewrap({ area });
    const run = await area.openRun(0, never);
    const workspace = await run.newFolder("ws");
    const spec: BoxSpec = {
      slot: 0,
      argv: ["true"],
      cwd: "/workspace",
      env: {},
      home: await run.newFolder("home"),
      hasChannel: true,
      mounts: [{ hostPath: workspace, path: "/workspace", mode: "rw" }],
      limits: roomyLimits,
      graceMs: 1_000,
    };
    const ours = async () => {
      const { exitCode } = await sandbox.run(spec, { onStdout: () => {}, onStderr: () => {} }, never);
      if (exitCode !== 0) throw new Error(`a box of true ended with ${exitCode}`);
    };
    const plain = async () => {
      const [exitCode] = await once(spawn("bwrap", bare, { stdio: ["ignore", "pipe", "pipe"] }), "close");
      if (exitCode !== 0) throw new Error(`a bare bwrap of true ended with ${exitCode}`);
    };
    const pairs: { readonly ours: number; readonly plain: number }[] = [];
    for (let round = 0; round < warmUps + rounds; round += 1) {
      const pair = { ours: await millisecondsOf(ours), plain: await millisecondsOf(plain) };
      if (round >= warmUps) pairs.push(pair);
    }
    await run.remove();
    console.log(
      table(
        ["A box of `true`", "milliseconds: median (spread)"],
        [
          [`ours, ${sandbox.isolation}`, show(spreadOf(pairs.map((pair) => pair.ours)), 1)],
          ["bare bwrap", show(spreadOf(pairs.map((pair) => pair.plain)), 1)],
          ["ours ÷ bare, by pairs", show(spreadOf(pairs.map((pair) => pair.ours / pair.plain)), 2)],
        ],
      ),
    );
  } finally {
    await remove();
  }
}

async function millisecondsOf(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
