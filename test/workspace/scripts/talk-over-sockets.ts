import { chownSync } from "node:fs";
import type { Server } from "node:net";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { openRunArea } from "../../../workers/workspace/sandbox/area/run-area.ts";
import { createBubblewrap } from "../../../workers/workspace/sandbox/bubblewrap.ts";
import type { BoxEnd } from "../../../workers/workspace/sandbox/sandbox.ts";
import { isRoot, ownerOfSlot } from "../../../workers/workspace/sandbox/slots.ts";

/** What became of boxes that were given sockets; printed as JSON. */
export interface Talked {
  /** What the program prints of its attempts. */
  readonly tries: unknown;
  /** How a box ended that fills connections which nobody reads. */
  readonly filled: BoxEnd;
}

const [work = ""] = process.argv.slice(2);
const never = new AbortController().signal;
const nodeDir = join(resolve(import.meta.dirname, "../../.."), "node");
const area = await openRunArea({ root: join(work, "area"), nodeDir, ownerOf: ownerOfSlot, signal: never });
const sandbox = createBubblewrap({ area });
const limits = { processes: 32, outputBytes: 1e6, diskBytes: 1e8, timeMs: 30_000, idleMs: 30_000 };
const servers: Server[] = [];

const run = await area.openRun(0, never);
const dir = await run.newFolder("sockets");
const given = await listen("given", (text) => `given: ${text}`);
const beside = await listen("beside", () => "not for this box");
const silent = await listen("silent");
const { home, workspace } = await run.newPlace("work", limits.diskBytes, never);

const tries = `
  import { chmodSync, readdirSync, renameSync, unlinkSync } from "node:fs";
  import { connect } from "node:net";
  const attempt = (work) => { try { return work() ?? "done"; } catch ({ code }) { return code; } };
  const ask = (path) => new Promise((resolve) => {
    const socket = connect(path, () => socket.end("hello"));
    socket.on("data", (chunk) => resolve(String(chunk))).on("error", ({ code }) => resolve(code));
  });
  const at = "/run/gateway/model.sock";
  console.log(JSON.stringify({
    given: await ask(at),
    again: await ask(at),
    bySourcePath: await ask(process.env.GIVEN),
    beside: await ask(process.env.BESIDE),
    besideIt: readdirSync("/run/gateway"),
    changed: attempt(() => chmodSync(at, 0o777)),
    removed: attempt(() => unlinkSync(at)),
    moved: attempt(() => renameSync(at, "/tmp/model.sock")),
  }));`;
const fill = `use Socket; my @kept;
  for (1 .. 800) {
    socket my $socket, AF_UNIX, SOCK_STREAM, 0 or last;
    connect $socket, sockaddr_un("/run/silent.sock") or last;
    $socket->blocking(0);
    1 while syswrite $socket, "x" x 65536;
    push @kept, $socket;
  }
  sleep 20;`;

const told = await inBox(["node", "--input-type=module", "-e", tries], given, "/run/gateway/model.sock", 512);
const filled = await inBox(["perl", "-e", fill], silent, "/run/silent.sock", 64);
const talked: Talked = { tries: JSON.parse(told.output), filled: filled.end };
console.log(JSON.stringify(talked));
for (const server of servers) server.close();
await run.remove();
await area.close();
process.exit(); // connections of the silent server are still open

async function inBox(argv: readonly string[], hostPath: string, path: string, mebibytes: number) {
  let output = "";
  const take = (chunk: Buffer) => {
    output += chunk;
  };
  const end = await sandbox.run(
    {
      slot: 0,
      argv,
      cwd: "/workspace",
      env: { GIVEN: given, BESIDE: beside },
      home,
      mounts: [{ hostPath: workspace, path: "/workspace", mode: "rw" }],
      sockets: [{ hostPath, path }],
      hasChannel: false,
      limits: { ...limits, memoryBytes: mebibytes * 1024 ** 2 },
      graceMs: 100,
    },
    { onStdout: take, onStderr: take },
    never,
  );
  return { end, output };
}

/** Listens on a socket that belongs to the slot. @param answer - absent: nothing is read */
async function listen(name: string, answer?: (text: string) => string): Promise<string> {
  const path = join(dir, name);
  const server = createServer({ pauseOnConnect: answer === undefined }, (socket) => {
    socket.on("error", () => undefined);
    if (answer !== undefined) socket.once("data", (chunk) => socket.end(answer(String(chunk))));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const { uid, gid } = ownerOfSlot(0);
  if (isRoot()) chownSync(path, uid, gid);
  return path;
}
