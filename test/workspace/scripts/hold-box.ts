import { join, resolve } from "node:path";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../../workers/workspace/sandbox/bubblewrap.ts";
import { ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

/** A worker that reaps, then holds a box with two processes until it is told to end. */
const [, root = "", mark = ""] = process.argv.slice(2);
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
const never = new AbortController().signal;
const nodeDir = join(resolve(import.meta.dirname, "../../.."), "node");
const area = await openRunArea({ root, nodeDir, ownerOf: ownerOfSlot, signal: never });
await area.reap(never);
console.log("reaped");
const run = await area.openRun(0, never);
const { home, workspace } = await run.newPlace("work", 1e8, never);
const script = "mkdir left && chmod 0 left; (setsid sleep 600 &); echo up; sleep 600";
await createBubblewrap({ area }).run(
  {
    slot: 0,
    argv: ["sh", "-c", script],
    cwd: "/workspace",
    env: { MARK: mark },
    home,
    hasChannel: false,
    graceMs: 100,
    mounts: [{ hostPath: workspace, path: "/workspace", mode: "rw" }],
    limits: { memoryBytes: 3e8, processes: 20, outputBytes: 1e5, diskBytes: 1e8, timeMs: 6e5, idleMs: 6e5 },
  },
  { onStdout: (chunk) => void process.stdout.write(chunk), onStderr: (chunk) => void process.stderr.write(chunk) },
  stop.signal,
);
await run.remove();
await area.close();
