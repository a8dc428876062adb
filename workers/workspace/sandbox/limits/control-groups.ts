import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** The control groups of one box. */
export interface ControlGroup {
  /** The cgroup.procs files that the box enters before it starts. */
  readonly entries: readonly string[];
  /** What was used so far. `refused`: number of refused forks; `killed`: number of processes killed at the memory limit. */
  read(): { memoryPeak: number; processes: number; refused: number; killed: number; cpuMs: number };
  /** Kills every process in it once. */
  kill(): void;
  /** Kills processes until none is left, and removes the group. @returns false when that fails */
  end(): Promise<boolean>;
}

export interface ControlGroups {
  /** For the report, for example `cgroup v1 memory`. */
  readonly memory: string;
  readonly processes: string;
  open(limits: { readonly memoryBytes: number; readonly processes: number }): ControlGroup;
  /** Ends every group of the area, those of earlier workers too, and removes the area's own group; `open` makes it again. */
  removeAll(): Promise<void>;
}

/** What bwrap itself needs: its monitor, the first process of the box, and one while it starts. */
const ownProcesses = 3;
const endTries = 5_000;
const endPauseMs = 1;
let opened = 0;

/** The control groups in which an area's boxes run: cgroup v1, else v2 if a subtree was delegated to this user, else none. */
export function findControlGroups(areaRoot: string): ControlGroups | undefined {
  const name = `automation-${createHash("sha256").update(areaRoot).digest("hex").slice(0, 16)}`;
  const mounts = cgroupMounts();
  return version1(mounts, name) ?? version2(mounts, name);
}

function version1(mounts: readonly CgroupMount[], name: string): ControlGroups | undefined {
  const folderOf = (controller: string) => {
    const mount = mounts.find(({ type, options }) => type === "cgroup" && options.includes(controller));
    return mount === undefined ? undefined : usable(mount, controller, name);
  };
  const [memory, pids, cpu, cpuacct] = [folderOf("memory"), folderOf("pids"), folderOf("cpu"), folderOf("cpuacct")];
  if (memory === undefined || pids === undefined || cpuacct === undefined) return undefined;
  const folders = [...new Set([memory, pids, cpuacct, ...(cpu === undefined ? [] : [cpu])])];
  return {
    memory: "cgroup v1 memory",
    processes: "cgroup v1 pids",
    removeAll: () => removeBelow(folders),
    open: ({ memoryBytes, processes }) => {
      opened += 1;
      const box = `box-${process.pid}-${opened}`;
      for (const folder of folders) mkdirSync(join(folder, box), { recursive: true });
      const at = (folder: string, file: string) => join(folder, box, file);
      writeFileSync(at(memory, "memory.limit_in_bytes"), String(memoryBytes));
      writeQuietly(at(memory, "memory.memsw.limit_in_bytes"), String(memoryBytes));
      writeFileSync(at(pids, "pids.max"), String(processes + ownProcesses));
      if (cpu !== undefined) writeQuietly(at(cpu, "cpu.shares"), "128");
      return {
        entries: folders.map((folder) => at(folder, "cgroup.procs")),
        read: () => ({
          memoryPeak: numberIn(at(memory, "memory.max_usage_in_bytes")),
          processes: Math.max(0, numberIn(at(pids, "pids.current")) - 2),
          refused: fieldIn(at(pids, "pids.events"), "max"),
          killed: fieldIn(at(memory, "memory.oom_control"), "oom_kill"),
          cpuMs: numberIn(at(cpuacct, "cpuacct.usage")) / 1e6,
        }),
        kill: () => killIn(folders.map((folder) => join(folder, box))),
        end: () => endGroup(folders.map((folder) => join(folder, box))),
      };
    },
  };
}

function version2(mounts: readonly CgroupMount[], name: string): ControlGroups | undefined {
  const mount = mounts.find(({ type }) => type === "cgroup2");
  const controllers = mount === undefined ? "" : textIn(join(mount.path, "cgroup.controllers"));
  if (mount === undefined || !/\bmemory\b/.test(controllers) || !/\bpids\b/.test(controllers)) return undefined;
  const folder = usable(mount, "", name);
  if (folder === undefined) return undefined;
  const prepare = () => {
    mkdirSync(folder, { recursive: true });
    writeQuietly(join(folder, "cgroup.subtree_control"), "+memory +pids +cpu");
    return textIn(join(folder, "cgroup.subtree_control"));
  };
  const given = prepare();
  if (!/\bmemory\b/.test(given) || !/\bpids\b/.test(given)) return undefined;
  return {
    memory: "cgroup v2 memory",
    processes: "cgroup v2 pids",
    removeAll: () => removeBelow([folder]),
    open: ({ memoryBytes, processes }) => {
      opened += 1;
      const box = join(folder, `box-${process.pid}-${opened}`);
      prepare();
      mkdirSync(box);
      writeFileSync(join(box, "memory.max"), String(memoryBytes));
      writeQuietly(join(box, "memory.swap.max"), "0");
      writeFileSync(join(box, "pids.max"), String(processes + ownProcesses));
      writeQuietly(join(box, "cpu.weight"), "12");
      return {
        entries: [join(box, "cgroup.procs")],
        read: () => ({
          memoryPeak: numberIn(join(box, "memory.peak")),
          processes: Math.max(0, numberIn(join(box, "pids.current")) - 2),
          refused: fieldIn(join(box, "pids.events"), "max"),
          killed: fieldIn(join(box, "memory.events"), "oom_kill"),
          cpuMs: fieldIn(join(box, "cpu.stat"), "usage_usec") / 1e3,
        }),
        kill: () => killIn([box]),
        end: () => endGroup([box]),
      };
    },
  };
}

interface CgroupMount {
  readonly type: string;
  readonly root: string;
  readonly path: string;
  readonly options: readonly string[];
}

function cgroupMounts(): CgroupMount[] {
  return textIn("/proc/self/mountinfo")
    .split("\n")
    .flatMap((line) => {
      const [left = "", right = ""] = line.split(" - ");
      const [, , , root = "", path = ""] = left.split(" ");
      const [type = "", , options = ""] = right.split(" ");
      return type.startsWith("cgroup") ? [{ type, root, path, options: options.split(",") }] : [];
    });
}

/** Makes the area's folder below the worker's own group, so that the worker's limits hold for its boxes, or else below the mount. @returns undefined when groups can't be made in either */
function usable(mount: CgroupMount, controller: string, name: string): string | undefined {
  const line = textIn("/proc/self/cgroup")
    .split("\n")
    .map((each) => each.split(":"))
    .find(([, controllers]) => (controller === "" ? controllers === "" : controllers?.split(",").includes(controller)));
  const own = line?.slice(2).join(":") ?? "/";
  const inMount = own.startsWith(mount.root) ? own.slice(mount.root === "/" ? 0 : mount.root.length) : "/";
  // cgroup v2 allows no group with limits below one that has processes of its own
  const places = controller === "" ? [join(inMount, ".."), "/"] : [inMount, "/"];
  for (const place of places) {
    const folder = join(mount.path, place, name);
    try {
      mkdirSync(folder, { recursive: true });
      const trial = join(folder, `trial-${process.pid}`);
      mkdirSync(trial);
      rmdirSync(trial);
      return folder;
    } catch {} // read-only or owned by another user: try the next place
  }
  return undefined;
}

function killIn(folders: readonly string[]): void {
  for (const folder of folders) for (const pid of pidsIn(folder)) kill(pid);
}

async function endGroup(folders: readonly string[]): Promise<boolean> {
  for (let n = 0; n < endTries; n += 1) {
    killIn(folders);
    if (folders.filter((folder) => !remove(folder)).length === 0) return true;
    await wait(endPauseMs);
  }
  return false;
}

async function removeBelow(folders: readonly string[]): Promise<void> {
  const groups = folders.flatMap((folder) => foldersIn(folder).map((box) => join(folder, box)));
  await endGroup(groups);
  for (const folder of folders) remove(folder);
}

const foldersIn = (folder: string) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));

const pidsIn = (folder: string) =>
  textIn(join(folder, "cgroup.procs"))
    .split("\n")
    .flatMap((pid) => (pid === "" || pid === "0" ? [] : [Number(pid)]));

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** @returns whether it is gone */
function remove(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

function writeQuietly(file: string, value: string): void {
  try {
    writeFileSync(file, value);
  } catch {} // optional: some kernels don't have this file
}

function textIn(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

const numberIn = (file: string) => Number(textIn(file) || 0);

const fieldIn = (file: string, field: string) =>
  Number(new RegExp(`^${field} (\\d+)$`, "m").exec(textIn(file))?.[1] ?? 0);
