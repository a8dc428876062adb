import { extname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { BoxOutput } from "../../sandbox/sandbox.ts";
import type { Tell } from "../step-end.ts";
import type { Said } from "./run-events.ts";

/** The whole output of a box that has ended; see `OutputLines` and `RunEvents`. */
export interface Heard {
  readonly log: Buffer;
  readonly lastLine: string;
  readonly said: Said;
}

/** Takes the output of one box. */
export interface Listener {
  readonly onStdout: (chunk: Buffer) => Promise<void>;
  readonly onStderr: (chunk: Buffer) => Promise<void>;
  readonly onChannel: (chunk: Buffer) => Promise<void>;
  /** To be called when the box has ended. */
  end(): Promise<Heard>;
  /** To be called once, however the step ended. */
  close(): void;
}

export type Listen = (what: {
  readonly stepId: string;
  /** Values that must not be shown. */
  readonly secrets: readonly string[];
  readonly tell: Tell;
  /** Called once, when the box sends an event that only the host may send. */
  readonly onForged?: () => void;
}) => Listener;

export type ToThread =
  | { readonly kind: "begin"; readonly stepId: string; readonly secrets: readonly string[] }
  | { readonly kind: "chunk"; readonly n: number; readonly stream: keyof BoxOutput; readonly bytes: Uint8Array }
  | { readonly kind: "told"; readonly n: number }
  | { readonly kind: "end" };
export type ToListener =
  | { readonly kind: "taken"; readonly n: number }
  | { readonly kind: "tell"; readonly n: number; readonly event: Parameters<Tell>[0] }
  | { readonly kind: "forged" }
  | { readonly kind: "heard"; readonly heard: Heard };

const memoryMb = 192;
/** TypeScript in a clone, else compiled. */
const threadFile = join(import.meta.dirname, `listen-thread${extname(import.meta.filename)}`);

/**
 * Reads, cleans and redacts the output of boxes in threads of their own, so that the main thread, which sends heartbeats, stays free. Each box has one thread, which the next box reuses. A box has as many chunks on the way as it
 * has streams, and waits until they are taken. Other boxes neither wait for it nor lose anything when its thread dies.
 */
export function createListen(): Listen {
  const idle: Worker[] = [];
  const start = () => {
    const thread = startThread();
    thread.on("error", () => undefined); // its listener handles it; an idle thread has none
    thread.once("exit", () => {
      const at = idle.indexOf(thread);
      if (at >= 0) idle.splice(at, 1);
    });
    return thread;
  };

  return ({ stepId, secrets, tell, onForged }) => {
    const thread = idle.pop() ?? start();
    const send = (message: ToThread) => thread.postMessage(message);
    const taking = new Map<number, PromiseWithResolvers<void>>();
    const heard = Promise.withResolvers<Heard>();
    heard.promise.catch(() => undefined); // `end` throws it
    let sent = 0;
    let isHeard = false;
    let failure: { readonly error: unknown } | undefined;

    const fail = (error: unknown) => {
      failure ??= { error };
      heard.reject(failure.error);
      for (const { reject } of taking.values()) reject(failure.error);
      taking.clear();
    };
    const onExit = () => fail(new Error("the thread that reads what a box says has ended"));
    const onMessage = (message: ToListener) => {
      switch (message.kind) {
        case "taken":
          taking.get(message.n)?.resolve();
          taking.delete(message.n);
          return;
        case "tell":
          tell(message.event).then(() => send({ kind: "told", n: message.n }), fail);
          return;
        case "forged":
          onForged?.();
          return;
        case "heard":
          isHeard = true;
          heard.resolve({
            ...message.heard,
            log: Buffer.from(message.heard.log),
            said: { ...message.heard.said, transcript: Buffer.from(message.heard.said.transcript) },
          });
      }
    };
    const give = (stream: keyof BoxOutput) => async (bytes: Buffer) => {
      if (failure !== undefined) throw failure.error;
      sent += 1;
      const taken = Promise.withResolvers<void>();
      taking.set(sent, taken);
      send({ kind: "chunk", n: sent, stream, bytes });
      await taken.promise;
    };

    thread.ref();
    thread.on("message", onMessage).once("error", fail).once("exit", onExit);
    send({ kind: "begin", stepId, secrets });
    return {
      onStdout: give("onStdout"),
      onStderr: give("onStderr"),
      onChannel: give("onChannel"),
      end() {
        send({ kind: "end" });
        return heard.promise;
      },
      close() {
        thread.off("message", onMessage).off("error", fail).off("exit", onExit);
        if (!isHeard || failure !== undefined) return void thread.terminate();
        thread.unref();
        idle.push(thread);
      },
    };
  };
}

function startThread(): Worker {
  return new Worker(threadFile, {
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 16 },
  });
}
