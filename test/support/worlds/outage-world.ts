import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import { join } from "node:path";
import pg from "pg";
import { expect, vi } from "vitest";
import { folderOf } from "../../../local/up/state-folder.ts";
import type { RunEventJson } from "../../../src/gen/automation/v1/run_event_pb.ts";
import type { DescribeWorkflowRunResponseJson } from "../../../src/gen/workflows_runtime/v1/workflow_service_pb.ts";
import { newStateDir, removeStateDir } from "../engines/stack.ts";
import { notedProcesses, readUpFile, startUp } from "../engines/up.ts";
import { must, publishWork } from "./work-scene.ts";

/** For what a loaded machine may take long for. */
export const patience = { timeout: 90_000, interval: 250 };

/** A persona that says that it has begun, and takes its time. */
const slow = (ms: number) => `
import { writeFileSync, writeSync } from "node:fs";
writeFileSync("/workspace/src/slow.js", "export const slow = true;\\n");
writeSync(3, JSON.stringify({ type: "message", text: "changed" }) + "\\n");
setTimeout(() => undefined, ${ms});
`;

export type OutageWorld = Awaited<ReturnType<typeof startOutageWorld>>;

/**
 * A local stack whose run area is a file system of 1 GiB of its own, and what takes its infrastructure away and gives it back.
 * @param works - definitions that are published: how long the persona works, and the limit of the work if there is one
 */
export async function startOutageWorld(works: Record<string, { readonly ms: number; readonly timeLimit?: string }>) {
  const dir = newStateDir();
  const { runArea } = folderOf(dir);
  mkdirSync(runArea, { mode: 0o711 });
  run("mount", "-t", "tmpfs", "-o", "size=1g,mode=711", "tmpfs", runArea);
  const filler = join(runArea, "filled");
  const up = startUp("--demo", "--state", dir);
  await up.until(({ event }) => event === "running");
  const superuser = new pg.Client({ connectionString: readUpFile(dir).postgres.url });
  await superuser.connect();
  for (const [name, { ms, timeLimit }] of Object.entries(works))
    await publishWork(dir, name, slow(ms), { more: [], timeLimit });

  const pidOf = (process: string): number => notedProcesses(dir).get(process)?.pid ?? 0;

  async function eventsOf(runId: string): Promise<RunEventJson[]> {
    const { rows } = await superuser.query<{ event: RunEventJson }>(
      "select event from run_events where run_id = $1 order by sequence",
      [runId],
    );
    return rows.map(({ event }) => event);
  }

  return {
    dir,
    superuser,
    eventsOf,
    pidOf,
    /** Leaves 4 MiB of the run area. */
    fillRunArea(): void {
      const { bavail, bsize } = statfsSync(runArea);
      run("fallocate", "-l", String(bavail * bsize - 4 * 1024 ** 2), filler);
    },
    emptyRunArea: (): void => rmSync(filler, { force: true }),
    until: (runId: string, accept: (events: readonly RunEventJson[]) => boolean) =>
      vi.waitFor(async () => expect(accept(await eventsOf(runId))).toBe(true), { timeout: 90_000, interval: 20 }),
    /** @returns the status of a run that has ended */
    async ended(runId: string): Promise<string> {
      const { rows } = await vi.waitFor(async () => {
        const found = await superuser.query("select status from runs where run_id = $1 and ended_at is not null", [
          runId,
        ]);
        expect(found.rowCount).toBe(1);
        return found;
      }, patience);
      return rows[0].status;
    },
    describeRun: async (runId: string) =>
      JSON.parse(await must(dir, "run", "describe", runId, "--json")) as DescribeWorkflowRunResponseJson,
    async readinessOf(process: string): Promise<{ status: number; parts: Record<string, unknown> }> {
      const ports = JSON.parse(readFileSync(folderOf(dir).portsFile, "utf8")) as Record<string, number>;
      const answer = await fetch(`http://127.0.0.1:${ports[process]}/readyz`);
      return { status: answer.status, parts: (await answer.json()) as Record<string, unknown> };
    },
    async endAndAwaitReturn(name: string): Promise<void> {
      const seen = up.events.length;
      process.kill(pidOf(name), "SIGTERM");
      await up.until((event) => up.events.indexOf(event) >= seen && event.message.startsWith(`${name} is back`));
    },
    /** Ends the object store and answers 507 in its place, until its place is given back. */
    async replaceStore(): Promise<{ giveBack(): Promise<void> }> {
      const { port } = new URL(readUpFile(dir).s3.endpoint);
      const seen = up.events.length;
      const server = createServer((request, response) => {
        request.resume();
        request.once("end", () => response.writeHead(507).end());
      });
      process.kill(pidOf("s3"), "SIGKILL");
      await vi.waitFor(() => listen(server, Number(port)), { timeout: 20_000, interval: 20 });
      return {
        async giveBack() {
          server.closeAllConnections();
          await new Promise((done) => server.close(done));
          await up.until((event) => up.events.indexOf(event) >= seen && event.message.startsWith("s3 is back"));
        },
      };
    },
    async stop(): Promise<void> {
      await superuser.end();
      up.process.kill("SIGINT");
      await up.exited;
      run("umount", runArea);
      removeStateDir(dir);
    },
  };
}

export const attemptsOf = (events: readonly RunEventJson[]) =>
  events.flatMap(({ workspace }) => workspace?.attempt ?? []);
export const changesOf = (events: readonly RunEventJson[]) =>
  events.filter(({ message }) => message?.text === "changed").length;

function run(...command: string[]): void {
  const [file = "", ...args] = command;
  const { status, stderr } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((done, fail) => {
    server.once("error", fail);
    server.listen(port, "127.0.0.1", () => done());
  });
