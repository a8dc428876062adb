import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { boxesOf, mountsBelow } from "../../../workers/workspace/sandbox/area/reap-leftovers.ts";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../../workers/workspace/sandbox/bubblewrap.ts";
import type { BoxEnd, BoxLimits } from "../../../workers/workspace/sandbox/sandbox.ts";
import { ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

/** What became of one attempt; printed as one line of JSON. */
export interface Attempt {
  readonly name: string;
  readonly end: BoxEnd;
  readonly output: string;
  /** What it left: each must be empty. */
  readonly processes: readonly number[];
  readonly mounts: readonly string[];
  readonly folders: readonly string[];
  /** Whether the neighbour's box and the file outside are as they were. */
  readonly isNeighbourAlive: boolean;
  readonly isOutsideUntouched: boolean;
}

const root = resolve(import.meta.dirname, "../../..");
const corpus = join(root, "test/corpus/escapes");
const [work = ""] = process.argv.slice(2);
const interpreters: Record<string, string> = { sh: "sh", pl: "perl", mjs: "node" };
const mebibyte = 1_048_576;
const limits: BoxLimits = {
  memoryBytes: 192 * mebibyte,
  processes: 48,
  outputBytes: mebibyte,
  diskBytes: 128 * mebibyte,
  timeMs: 30_000,
  idleMs: 30_000,
};

const never = new AbortController().signal;
const area = await openRunArea({
  root: join(work, "area"),
  nodeDir: join(root, "node"),
  ownerOf: ownerOfSlot,
  signal: never,
});
const sandbox = createBubblewrap({ area });
const outside = join(work, "outside");
writeFileSync(outside, "untouched");
const tcp = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
const hostSocket = `escapes-${randomUUID()}`;
const abstract = createServer((socket) => socket.destroy()).listen(`\0${hostSocket}`);
await Promise.all([once(tcp, "listening"), once(abstract, "listening")]);
const address = tcp.address();

const neighbour = await area.openRun(1, never);
const neighbourHome = await neighbour.newFolder("home");
const stopNeighbour = new AbortController();
const neighbourPid = Promise.withResolvers<number>();
const neighbourMark = randomUUID();
const neighbourEnd = sandbox.run(
  {
    slot: 1,
    argv: ["sh", "-c", "echo a > ~/secret; echo up; sleep 600"],
    cwd: "/",
    home: neighbourHome,
    mounts: [],
    env: { MARK: neighbourMark },
    hasChannel: false,
    limits: { ...limits, timeMs: 600_000, idleMs: 600_000 },
    graceMs: 100,
  },
  { onStdout: () => neighbourPid.resolve(marked(neighbourMark)[0] ?? 0), onStderr: () => {} },
  stopNeighbour.signal,
);

for (const name of readdirSync(corpus).sort()) console.log(JSON.stringify(await attempt(name)));

stopNeighbour.abort();
await neighbourEnd;
await neighbour.remove();
await area.reap(never);
await area.close();
tcp.close();
abstract.close();

async function attempt(name: string): Promise<Attempt> {
  const mark = randomUUID();
  const run = await area.openRun(0, never);
  const { home, workspace } = await run.newPlace("work", limits.diskBytes, never);
  const programs = await run.newHostFolder("programs");
  copyFileSync(join(corpus, name), join(programs, name));
  const stops = / stops: /.test(readFileSync(join(corpus, name), "utf8"));
  const stop = new AbortController();
  let output = "";
  const take = (chunk: Buffer) => {
    output += chunk;
    if (stops) stop.abort();
  };
  const beside = await neighbourPid.promise;
  const env = {
    MARK: mark,
    WORKER_PID: String(process.pid),
    NEIGHBOUR_PID: String(beside),
    OTHER_HOME: neighbourHome,
    OUTSIDE: outside,
    HOST_SOCKET: hostSocket,
    HOST_PORT: String(typeof address === "object" ? address?.port : 0),
  };
  const end = await sandbox.run(
    {
      slot: 0,
      argv: [interpreters[name.split(".").pop() ?? ""] ?? "", `/programs/${name}`],
      cwd: "/workspace",
      env,
      home,
      mounts: [
        { hostPath: workspace, path: "/workspace", mode: "rw" },
        { hostPath: programs, path: "/programs", mode: "ro" },
      ],
      hasChannel: true,
      limits,
      graceMs: 300,
    },
    { onStdout: take, onStderr: take, onChannel: take },
    stop.signal,
  );
  const processes = marked(mark);
  const left = await boxesOf(run.dir);
  await run.remove();
  return {
    name,
    end,
    output,
    processes: [...processes, ...left],
    mounts: await mountsBelow(area.root),
    folders: readdirSync(area.runsDir).filter((folder) => folder !== "1"),
    isNeighbourAlive: existsSync(`/proc/${beside}`) && marked(neighbourMark).includes(beside),
    isOutsideUntouched: lstatSync(outside).isFile() && readFileSync(outside, "utf8") === "untouched",
  };
}

function marked(mark: string): number[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`MARK=${mark}\0`) ? [Number(pid)] : [];
    } catch {
      return []; // it ended, or is another user's
    }
  });
}
