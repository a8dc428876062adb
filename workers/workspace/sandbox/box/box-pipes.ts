import { randomUUID } from "node:crypto";
import { chownSync, closeSync, constants, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { runProgram } from "../../host/run-program.ts";
import { SandboxError } from "../sandbox-errors.ts";

/** The pipes through which one box writes to the worker. */
export interface OpenPipes {
  /** The worker's ends, in order. */
  readonly readers: readonly Readable[];
  /** File descriptors that the box is started with, in the same order. */
  readonly writers: readonly number[];
  /** To be called once the box has its copies: readers end only when all writers are closed. */
  closeWriters(): void;
  /** To be called when the box is gone. */
  close(): void;
}

/**
 * Named pipes instead of the socket pairs that Node makes for a child: programs can open a pipe by its path (`/dev/stderr`, `/proc/self/fd/3`), but not a socket.
 * They belong to the user of the box, which can't see their names, and are reused for the next box.
 * @param dir - host folder that only the worker may enter
 */
export function createBoxPipes(dir: string): {
  /** @param owner - user of the box; absent when it is the worker's own */
  open(count: number, owner: { readonly uid: number; readonly gid: number } | undefined): Promise<OpenPipes>;
} {
  const free: string[] = [];

  return {
    async open(count, owner) {
      const kept = free.splice(0, count);
      const fresh = Array.from({ length: count - kept.length }, () => join(dir, randomUUID()));
      if (fresh.length > 0) {
        const { exitCode, stderr } = await runProgram(["mkfifo", "--mode=600", "--", ...fresh]);
        if (exitCode !== 0) throw new SandboxError(`a box's pipes can't be made: ${stderr.trim()}`);
      }
      const pipes: { readonly path: string; readonly reader: Socket; readonly writer: number }[] = [];
      let hasWriters = true;
      const closeWriters = () => {
        if (hasWriters) for (const { writer } of pipes) closeSync(writer);
        hasWriters = false;
      };
      const close = () => {
        closeWriters();
        for (const { path, reader } of pipes) {
          if (reader.readableEnded) free.push(path);
          else rmSync(path); // a process may still have it open for writing
          reader.destroy();
        }
      };
      try {
        for (const path of [...kept, ...fresh]) {
          if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
          const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // without O_NONBLOCK, open waits for a writer
          const reader = new Socket({ fd, readable: true, writable: false });
          pipes.push({ path, reader, writer: openSync(path, constants.O_WRONLY) });
        }
      } catch (error) {
        close();
        throw new SandboxError(`a box's pipes can't be opened: ${(error as Error).message}`, { cause: error });
      }
      const [readers, writers] = [pipes.map(({ reader }) => reader), pipes.map(({ writer }) => writer)];
      return { readers, writers, closeWriters, close };
    },
  };
}
