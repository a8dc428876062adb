import { isMainThread } from "node:worker_threads";
import type { LimitHitJson } from "../../../src/gen/automation/v1/run_work_pb.ts";
import { isOnOwnDisk } from "./area/place-disk.ts";
import type { RunArea } from "./area/run-area.ts";
import { boxCommand } from "./box/box-command.ts";
import { boxEndOf } from "./box/box-end.ts";
import type { OpenPipes } from "./box/box-pipes.ts";
import { createBoxPipes } from "./box/box-pipes.ts";
import { checkSources } from "./box/check-sources.ts";
import type { StartedBox } from "./box/start-box.ts";
import { startBox } from "./box/start-box.ts";
import { systemCallFilter } from "./box/system-call-filter.ts";
import { architectureOf } from "./box/system-calls.ts";
import { takeOutput } from "./box/take-output.ts";
import type { ControlGroup, ControlGroups } from "./limits/control-groups.ts";
import { findControlGroups } from "./limits/control-groups.ts";
import type { DiskUseOf } from "./limits/disk-use.ts";
import { watchLimits } from "./limits/watch-limits.ts";
import { proveSandbox } from "./proof/prove.ts";
import type { BoxEnd, BoxOutput, BoxSpec, Sandbox } from "./sandbox.ts";
import { SandboxError } from "./sandbox-errors.ts";
import { isRoot, ownerOfSlot } from "./slots.ts";

/** Above the watchdog's limit, so that the watchdog names the limit. */
const spareProcesses = 16;

interface Host {
  readonly area: RunArea;
  readonly groups: ControlGroups | undefined;
  readonly pipes: ReturnType<typeof createBoxPipes>;
}

/** Boxes by bubblewrap: class `uid` where the worker is root, else `userns`. See docs/workspaces.md. */
export function createBubblewrap({ area }: { readonly area: RunArea }): Sandbox {
  const groups = findControlGroups(area.root);
  const pipes = createBoxPipes(area.pipesDir);
  const sandbox: Omit<Sandbox, "prove"> = {
    isolation: isRoot() ? "ISOLATION_CLASS_UID" : "ISOLATION_CLASS_USERNS",
    ownerOf: ownerOfSlot,
    run: (spec, output, signal) => runBox({ area, groups, pipes }, spec, output, signal),
  };
  return { ...sandbox, prove: (signal) => proveSandbox({ sandbox, area, groups }, signal) };
}

/** Opens pipes and control groups, launches the box, watches it, and says how it ended. Everything opened is released in reverse order, also on errors. */
async function runBox(
  { area, groups, pipes }: Host,
  spec: BoxSpec,
  output: BoxOutput,
  signal: AbortSignal,
): Promise<BoxEnd> {
  if (!isMainThread)
    throw new SandboxError("boxes start from the main thread only: they die with the thread that started them");
  checkSources(spec, ownerOfSlot(spec.slot));
  await using opened = new AsyncDisposableStack();
  const open = opened.adopt(await pipes.open(spec.hasChannel ? 3 : 2, ownerOf(spec)), ({ close }) => close());
  if (signal.aborted) return { isStopped: true };
  const group = groups?.open(spec.limits);
  opened.defer(async () => void (await group?.end()));

  const disk = diskOf(area, spec);
  const box = opened.adopt(launch(area, spec, { group, disk, pipes: open }), endNow);
  const now = () => performance.now();
  let limit: LimitHitJson | undefined;
  const onHit = (hit: LimitHitJson) => {
    limit ??= hit;
    box.kill();
  };
  const { outputBytes, diskBytes } = spec.limits;
  const said = takeOutput(open.readers, output, {
    limitBytes: outputBytes,
    onLimit: onHit,
    onFailure: box.kill,
    now,
  });
  const watched = { limits: spec.limits, group, disk, first: box.first, lastSaidAt: said.lastSaidAt, now, onHit };
  const watch = opened.adopt(watchLimits(watched), ({ end }) => end().then(undefined, () => undefined));
  const stop = opened.use(stopOn(signal, box, spec.graceMs));

  const bwrap = await box.ended;
  const last = await watch.end();
  await said.ended;
  const end = boxEndOf({
    bwrap,
    limit: limit ?? last,
    isStopped: stop.isStopped(),
    isKilled: box.isKilled(),
    diskBytes,
    stderr: said.stderr(),
  });
  if (group !== undefined && !(await group.end())) throw new SandboxError("a box's control groups can't be emptied");
  return end;
}

async function endNow(box: StartedBox): Promise<void> {
  box.kill();
  await box.ended.catch(() => undefined); // `runBox` throws it
}

/** Host user to become; absent without root. */
const ownerOf = ({ slot }: BoxSpec) => (isRoot() ? ownerOfSlot(slot) : undefined);

/** What the box may write to on the host's disk. */
function diskOf(area: RunArea, spec: BoxSpec): DiskUseOf {
  const folders = [spec.home, ...spec.mounts.flatMap(({ mode, hostPath }) => (mode === "rw" ? [hostPath] : []))];
  const hasOwnDisk = area.faultOfDisks === undefined && folders.every((folder) => isOnOwnDisk(folder, area.runsDir));
  return { owner: ownerOf(spec), filterFile: area.filterFile, folders, hasOwnDisk };
}

function launch(
  area: RunArea,
  spec: BoxSpec,
  at: { readonly group: ControlGroup | undefined; readonly disk: DiskUseOf; readonly pipes: OpenPipes },
): StartedBox {
  const { group, disk, pipes } = at;
  const architecture = architectureOf();
  const argv = boxCommand(spec, {
    areaRoot: area.root,
    owner: disk.owner,
    groups: group?.entries ?? [],
    nproc: group === undefined ? spec.limits.processes + spareProcesses : undefined,
    architecture,
  });
  const filter = systemCallFilter(architecture, { allocation: !disk.hasOwnDisk, unownedMemory: group === undefined });
  const box = startBox({ argv, writers: pipes.writers, filter, killRest: () => group?.kill() });
  pipes.closeWriters();
  return box;
}

/** On abort the program gets SIGTERM; after the grace everything in the box is killed. */
function stopOn(signal: AbortSignal, box: StartedBox, graceMs: number): Disposable & { isStopped(): boolean } {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    isStopped = true;
    if (box.terminate()) timer = setTimeout(box.kill, graceMs);
    else box.kill();
  };
  signal.addEventListener("abort", stop, { once: true });
  return {
    isStopped: () => isStopped,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    },
  };
}
