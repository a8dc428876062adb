import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { RunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import type { BoxEnd, BoxLimits, BoxSpec, Sandbox } from "../../../workers/workspace/sandbox/sandbox.ts";
import { isRoot, ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

const checkout = resolve(import.meta.dirname, "../../..");
const mebibyte = 1_048_576;

/** The folder of the Node that boxes get. */
export const nodeDir = resolve(checkout, "node_modules/node");

/** Enough for what a test does in a box. */
export const roomyLimits: BoxLimits = {
  memoryBytes: 512 * mebibyte,
  processes: 64,
  outputBytes: mebibyte,
  diskBytes: 64 * mebibyte,
  timeMs: 20_000,
  idleMs: 20_000,
};

/** A new folder that any user may pass, as run areas need. */
export function makePassableFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "boxes-")));
  chmodSync(folder, 0o755);
  return folder;
}

/** A run area in a folder of its own; `remove` ends both. */
export async function openTestArea(): Promise<{ readonly area: RunArea; remove(): Promise<void> }> {
  const folder = makePassableFolder();
  const signal = AbortSignal.timeout(60_000);
  const area = await openRunArea({ root: join(folder, "area"), nodeDir, ownerOf: ownerOfSlot, signal });
  return {
    area,
    remove: async () => {
      await area.reap(AbortSignal.timeout(60_000));
      await area.close();
      rmSync(folder, { recursive: true });
    },
  };
}

export interface RanBox {
  readonly end: BoxEnd;
  readonly stdout: string;
  readonly stderr: string;
  readonly channel: string;
}

/** Runs one program in a box with a fresh workspace and home, and removes both. */
export async function runInBox(
  { area, sandbox }: { readonly area: RunArea; readonly sandbox: Sandbox },
  argv: readonly string[],
  how: Partial<Omit<BoxSpec, "limits">> & {
    readonly limits?: Partial<BoxLimits>;
    readonly signal?: AbortSignal;
    readonly onStdout?: (chunk: Buffer) => void | Promise<void>;
  } = {},
): Promise<RanBox> {
  const signal = how.signal ?? AbortSignal.timeout(60_000);
  const slot = how.slot ?? 0;
  const folder = await area.openRun(slot, AbortSignal.timeout(60_000));
  const said = { stdout: "", stderr: "", channel: "" };
  const keep = (name: keyof typeof said) => (chunk: Buffer) => {
    said[name] += chunk;
  };
  try {
    const limits = { ...roomyLimits, ...how.limits };
    const { home, workspace } = await folder.newPlace("work", limits.diskBytes, AbortSignal.timeout(60_000));
    const end = await sandbox.run(
      {
        slot,
        argv,
        cwd: "/workspace",
        env: {},
        home,
        hasChannel: true,
        graceMs: 500,
        ...how,
        mounts: [{ hostPath: workspace, path: "/workspace", mode: "rw" }, ...(how.mounts ?? [])],
        limits,
      },
      { onStdout: how.onStdout ?? keep("stdout"), onStderr: keep("stderr"), onChannel: keep("channel") },
      signal,
    );
    return { end, ...said };
  } finally {
    await folder.remove();
  }
}

/** Host processes with this value of the variable MARK. Zombies have no variables. */
export const processesMarked = (mark: string): number[] =>
  readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`MARK=${mark}\0`) ? [Number(pid)] : [];
    } catch {
      return []; // it ended, or is another user's
    }
  });

/** A copy of what boxes need, where an ordinary user can read it, since the checkout may lie in a private home. */
export interface StagedBoxes {
  readonly dir: string;
  /** Starts a script of the copy with Node in its own process, as root or as an ordinary user. */
  start(
    script: string,
    args: readonly string[],
    as: "root" | "ordinary user",
    env?: Record<string, string>,
  ): StagedProcess;
  remove(): void;
}

export interface StagedProcess {
  readonly pid: number;
  readonly stdout: AsyncIterable<Buffer>;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly stderr: string }>;
}

const ordinaryUser = 65_534;

export function stageBoxes(): StagedBoxes {
  const dir = makePassableFolder();
  for (const folder of [
    "workers/workspace/sandbox",
    "workers/workspace/host",
    "src/text",
    "test/corpus/escapes",
    "test/workspace/scripts",
  ]) {
    cpSync(join(checkout, folder), join(dir, folder), { recursive: true });
  }
  writeFileSync(join(dir, "package.json"), '{ "type": "module" }');
  mkdirSync(join(dir, "node/bin"), { recursive: true });
  const node = realpathSync(join(nodeDir, "bin/node"));
  try {
    linkSync(node, join(dir, "node/bin/node"));
  } catch {
    cpSync(node, join(dir, "node/bin/node")); // another file system
  }
  execFileSync("chmod", ["-R", "a+rX", dir]);
  return {
    dir,
    start: (script, args, as, env = {}) => {
      const work = mkdtempSync(join(dir, "work-"));
      chmodSync(work, 0o755);
      const isOther = as === "ordinary user" && isRoot();
      if (isOther) chownSync(work, ordinaryUser, ordinaryUser);
      // a mount namespace of its own, as a worker of root has
      const ownMounts = ["unshare", "--mount", "--propagation", "private", "--"];
      const become = ["setpriv", `--reuid=${ordinaryUser}`, `--regid=${ordinaryUser}`, "--clear-groups"];
      const [file = "", ...rest] = [
        ...(isOther ? become : isRoot() ? ownMounts : []),
        join(dir, "node/bin/node"),
        join(dir, script),
        work,
        ...args,
      ];
      const secret = join(dir, "package.json");
      const child = spawn("sh", ["-c", 'exec 7<"$1"; shift; exec "$@"', "sh", secret, file, ...rest], {
        cwd: dir,
        env: { PATH: `${dir}/node/bin:/usr/sbin:/usr/bin:/sbin:/bin`, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let stderr = "";
      child.stderr.on("data", (chunk: Buffer) => {
        stderr += chunk;
      });
      const ended = new Promise<{ exitCode: number | null; stderr: string }>((settle) => {
        child.on("close", (exitCode) => settle({ exitCode, stderr }));
      });
      return { pid: child.pid ?? 0, stdout: child.stdout, ended };
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
