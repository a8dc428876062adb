import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

/** Writes to a place within its limit while the host's disk is full. Prints whether that was reported, and how. */
const [work = ""] = process.argv.slice(2);
const never = new AbortController().signal;
const root = join(work, "area");
mkdirSync(root);
execFileSync("mount", ["-t", "tmpfs", "-o", "size=256m,mode=711", "tmpfs", root]);
const nodeDir = join(resolve(import.meta.dirname, "../../.."), "node");
const area = await openRunArea({ root, nodeDir, ownerOf: ownerOfSlot, signal: never });
const run = await area.openRun(0, never);
const place = await run.newPlace("work", 64 * 2 ** 20, never);
const settled = () =>
  place.settle(never).then(
    () => "kept",
    (error: Error & { code?: string }) => error.code ?? error.message,
  );
writeFileSync(join(place.workspace, "early"), "x".repeat(2 ** 20));
const early = await settled();
try {
  writeFileSync(join(root, "others"), Buffer.alloc(2 ** 28, 1));
} catch {} // it is full now
writeFileSync(join(place.workspace, "late"), Buffer.alloc(32 * 2 ** 20, 1));
console.log(JSON.stringify({ early, late: await settled() }));
await run.remove();
await area.close();
execFileSync("umount", ["--lazy", root]);
