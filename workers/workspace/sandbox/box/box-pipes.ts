import { randomUUID } from "node:crypto";
import { chownSync, closeSync, constants, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { runProgram } from "../../host/run-program.ts";
import { SandboxError } from "../sandbox-errors.ts";

/** Pipes of one box, from it to the worker. */
export interface OpenPipes {
  /** What the box says on each, in order. */
  readonly readers: readonly Readable[];
  /** Descriptors that the box is started with. */
  readonly writers: readonly number[];
  /** Once the box has its own: until then no reader comes to an end. */
  closeWriters(): void;
  /** When the box is gone. */
  close(): void;
}

/**
 * Pipes, and not the pairs of sockets that Node makes for a child: a program may open a pipe anew by its path (`/dev/stderr`, `/proc/self/fd/3`), a socket never.
 * Named ones, since Node makes no other. They belong to the user of the box, who finds no name of theirs where it works, and are kept for the next box.
 * @param dir - host folder that nobody but the worker may pass
 */
export function createBoxPipes(dir: string): {
  /** @param owner - user of the box, where that is another one than the worker's */
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
          else rmSync(path); // a writer may be left
          reader.destroy();
        }
      };
      try {
        for (const path of [...kept, ...fresh]) {
          if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
          const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // else it waits for a writer
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
