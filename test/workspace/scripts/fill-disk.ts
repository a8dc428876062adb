import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { mountsBelow } from "../../../workers/workspace/sandbox/area/reap-leftovers.ts";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../../workers/workspace/sandbox/bubblewrap.ts";
import type { BoxEnd } from "../../../workers/workspace/sandbox/sandbox.ts";
import { ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

/** What became of programs that fill a place of 32 MiB; printed as one line of JSON. */
export interface Filled {
  readonly faultOfDisks?: string;
  readonly ends: readonly (BoxEnd & { readonly said: string })[];
  /** Why files of the worker that are too many did not fit. */
  readonly refusal: string;
  readonly mounted: number;
  readonly left: readonly string[];
}

const programs = [
  // takes and gives back what it may have
  'for (1, 2) { open my $f, ">", "one"; print syscall(FALLOCATE, fileno $f, 0, 0, 16 << 20), " "; unlink "one" }',
  'for (1 .. 9) { open my $f, ">", ($_ % 2 ? "." : $ENV{HOME}) . "/big-$_"; print syscall(FALLOCATE, fileno $f, 0, 0, 16 << 20) < 0 ? $! + 0 : "taken", " " } sleep 20',
  'unlink glob "big-* $ENV{HOME}/big-*"; for (1 .. 20000) { open my $f, ">", "empty-$_" or print($! + 0) and last } sleep 20',
];
const limitBytes = 32 * 2 ** 20;
const [work = ""] = process.argv.slice(2);
const never = new AbortController().signal;
const nodeDir = join(resolve(import.meta.dirname, "../../.."), "node");
const area = await openRunArea({ root: join(work, "area"), nodeDir, ownerOf: ownerOfSlot, signal: never });
const sandbox = createBubblewrap({ area });
const run = await area.openRun(0, never);
const place = await run.newPlace("work", limitBytes, never);
const ends: (BoxEnd & { said: string })[] = [];
for (const program of programs) {
  let said = "";
  const keep = (chunk: Buffer) => {
    said += chunk;
  };
  const source = `$| = 1; ${program.replace("FALLOCATE", process.arch === "arm64" ? "47" : "285")}`;
  const end = await sandbox.run(
    {
      slot: 0,
      argv: ["perl", "-e", source],
      cwd: "/workspace",
      env: {},
      home: place.home,
      hasChannel: false,
      mounts: [{ hostPath: place.workspace, path: "/workspace", mode: "rw" }],
      limits: { memoryBytes: 3e8, processes: 20, outputBytes: 1e5, diskBytes: limitBytes, timeMs: 6e4, idleMs: 6e4 },
      graceMs: 0,
    },
    { onStdout: keep, onStderr: keep },
    never,
  );
  ends.push({ ...end, said: said.trim() });
}
const refusal = await place
  .fill(() => Promise.reject(new Error("ENOSPC")))
  .catch((error: Error & { code?: string }) => error.code ?? error.message);
const mounted = (await mountsBelow(area.root)).filter((path) => statSync(path).dev !== statSync(area.root).dev).length;
await run.remove();
const filled: Filled = { ends, refusal, mounted, left: await mountsBelow(area.root) };
console.log(JSON.stringify({ ...filled, faultOfDisks: area.faultOfDisks }));
await area.close();
