import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { boxesOf, mountsBelow } from "../../workers/workspace/sandbox/area/reap-leftovers.ts";
import { openRunArea } from "../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../workers/workspace/sandbox/bubblewrap.ts";
import { isRoot, ownerOfSlot } from "../../workers/workspace/sandbox/slots.ts";
import { makePassableFolder, nodeDir, processesMarked, runInBox, stageBoxes } from "../support/worlds/boxes.ts";

const signal = new AbortController().signal;
let folder: string;
const open = (root = join(folder, "area")) => openRunArea({ root, nodeDir, ownerOf: ownerOfSlot, signal });

beforeEach(() => {
  folder = makePassableFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("opening a run area", () => {
  it("makes a folder that others may pass and not read, with Node in it", async () => {
    const area = await open();
    expect(lstatSync(area.root).mode & 0o777).toBe(0o711);
    expect(execFileSync(join(area.root, "toolchains/node/bin/node"), ["--version"], { encoding: "utf8" })).toMatch(
      /^v24/,
    );
    await area.close();
  });

  it("is refused while another worker has it, and given after", async () => {
    const area = await open();
    await expect(open()).rejects.toMatchObject({ code: "run_area_locked", path: area.root });
    expect(lstatSync(join(area.root, "lock")).mode & 0o777).toBe(0o600); // otherwise anybody could hold the lock
    await area.close();
    await (await open()).close();
  });

  it("is refused where others may write or what is there is a link", async () => {
    mkdirSync(join(folder, "open"));
    chmodSync(join(folder, "open"), 0o777);
    symlinkSync("/tmp", join(folder, "link"));
    for (const name of ["open", "link"]) {
      await expect(open(join(folder, name))).rejects.toMatchObject({ code: "run_area_unusable" });
    }
  });

  it.runIf(isRoot())("as root is refused below a folder that lets nobody pass, and says which", async () => {
    mkdirSync(join(folder, "home"), { mode: 0o700 });
    await expect(open(join(folder, "home/area"))).rejects.toThrow(`"${join(folder, "home")}" lets nobody pass`);
  });
});

describe("a run's folder", () => {
  it("belongs to the slot's user, or to the worker, as asked", async () => {
    const area = await open();
    const run = await area.openRun(3, signal);
    const [own, host] = [lstatSync(await run.newFolder("ws")), lstatSync(await run.newHostFolder("task"))];
    expect([own.uid, own.mode & 0o777]).toEqual([ownerOfSlot(3).uid, 0o700]);
    expect([host.uid, host.mode & 0o777]).toEqual([process.geteuid?.(), 0o755]);
    await expect(run.newFolder("../other")).rejects.toMatchObject({ code: "run_area_unusable" });
    await run.remove();
    await area.close();
  });

  it("lets nobody pass but the slot's user, whatever a run opens in it", async () => {
    const area = await open();
    const { mode, gid, uid } = lstatSync((await area.openRun(3, signal)).dir);
    expect([uid, gid, mode & 0o777]).toEqual([process.geteuid?.(), ownerOfSlot(3).gid, 0o710]);
    await area.close();
  });

  it("is removed whatever a run made of it, and nothing that it points to", async () => {
    const area = await open();
    const kept = join(folder, "kept");
    writeFileSync(kept, "kept");
    const run = await area.openRun(0, signal);
    const [home, workspace] = [await run.newFolder("home"), await run.newFolder("ws")];
    const script = `
      mkdir -p closed/inner && echo x > closed/inner/f && chmod 0 closed/inner closed
      ln -s ${folder} out; ln -s / root; mkfifo fifo; touch -- "-rf" "$(printf 'a\\nb')"
      perl -e 'my $name = "d" x 200; for (1 .. 60) { mkdir $name; chdir $name or die } open my $f, ">", "deep"'`;
    const sandbox = createBubblewrap({ area });
    const said: string[] = [];
    const take = (chunk: Buffer) => void said.push(String(chunk));
    const end = await sandbox.run(
      {
        slot: 0,
        argv: ["sh", "-c", script],
        cwd: "/workspace",
        env: {},
        home,
        hasChannel: false,
        graceMs: 1,
        mounts: [{ hostPath: workspace, path: "/workspace", mode: "rw" }],
        limits: { memoryBytes: 3e8, processes: 20, outputBytes: 1e5, diskBytes: 1e8, timeMs: 2e4, idleMs: 2e4 },
      },
      { onStdout: take, onStderr: take },
      signal,
    );
    expect({ end, said }).toEqual({ end: { exitCode: 0, isStopped: false }, said: [] });
    await run.remove();
    expect(existsSync(run.dir)).toBe(false);
    expect(readFileSync(kept, "utf8")).toBe("kept");
    await area.close();
  });
});

describe.each(isRoot() ? (["root", "ordinary user"] as const) : (["ordinary user"] as const))(
  "a worker of %s",
  (as) => {
    it("killed with -9 leaves nothing running; the next one takes its area over and removes the rest", async () => {
      const staged = stageBoxes();
      const mark = crypto.randomUUID();
      const start = () => staged.start("test/workspace/scripts/hold-box.ts", [join(folder, "area"), mark], as);
      if (as === "ordinary user" && isRoot()) execFileSync("chown", ["65534:65534", folder]);
      try {
        const worker = start();
        for await (const chunk of worker.stdout) if (String(chunk).includes("up")) break;
        expect(processesMarked(mark).length).toBeGreaterThan(1);
        expect(loopDevicesBelow(folder)).toHaveLength(as === "root" ? 1 : 0);
        process.kill(worker.pid, "SIGKILL");
        await worker.ended;
        await expect.poll(() => processesMarked(mark), { timeout: 60_000 }).toEqual([]);
        await expect.poll(() => loopDevicesBelow(folder), { timeout: 60_000 }).toEqual([]);
        expect(await mountsBelow(folder)).toEqual([]);
        // a file system of its own goes with the worker
        expect(existsSync(join(folder, "area/runs/0/work/workspace/left"))).toBe(as === "ordinary user");

        const next = start();
        for await (const chunk of next.stdout) if (String(chunk).includes("reaped")) break;
        expect(processesMarked(mark)).toEqual([]);
        process.kill(next.pid, "SIGTERM");
        expect(await next.ended).toEqual({ exitCode: 0, stderr: "" });
        expect(existsSync(join(folder, "area/runs/0"))).toBe(false);
        expect(await boxesOf(join(folder, "area"))).toEqual([]);
        expect(await mountsBelow(join(folder, "area"))).toEqual([]);
      } finally {
        staged.remove();
      }
    });
  },
);

/** Files below a folder that loop devices hold, named or not. */
const loopDevicesBelow = (path: string): string[] =>
  readdirSync("/sys/block").flatMap((device) => {
    const file = `/sys/block/${device}/loop/backing_file`;
    const held = device.startsWith("loop") && existsSync(file) ? readFileSync(file, "utf8") : "";
    return held.startsWith(`${path}/`) ? [held] : [];
  });

it("tells whoever waits for a box that its processes were killed from outside", async () => {
  const area = await open();
  const sandbox = createBubblewrap({ area });
  const mark = crypto.randomUUID();
  const up = Promise.withResolvers<void>();
  const running = runInBox({ area, sandbox }, ["sh", "-c", "echo up; sleep 600"], {
    env: { MARK: mark },
    onStdout: () => up.resolve(),
  });
  await up.promise;
  // once: the keeper that counts its files after the end is a box of this area too
  spawnSync("kill", ["-KILL", ...(await boxesOf(area.root)).map(String)]);
  await expect.poll(() => processesMarked(mark)).toEqual([]);
  expect((await running).end).toMatchObject({ signal: "SIGKILL", isStopped: false });
  await area.close();
});
