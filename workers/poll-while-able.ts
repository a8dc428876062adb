import { setTimeout as sleep } from "node:timers/promises";
import type { NativeConnection, Worker } from "@temporalio/worker";
import type { Log } from "../src/telemetry/log.ts";

/** A worker that has everything but a connection to Temporal. */
export interface PreparedWorker {
  /**
   * Says why it can't work now; undefined when it can.
   * @param isIdle - no work runs, so it may also do what is needed to work again
   */
  obstacle(isIdle: boolean): Promise<string | undefined>;
  create(at: { readonly connection: NativeConnection; readonly namespace: string }): Promise<Worker>;
  /** Releases its resources, once the worker has ended. */
  close(): Promise<void>;
}

/** Why a worker does not poll; undefined while it polls. */
export type Standing = string | undefined;

/**
 * Lets a worker poll while it can work. When an obstacle appears, the worker gives back what it holds and says why; once the obstacle is gone, it polls again. Temporal's worker can't pause, so a new one is made.
 * @param onStanding - called whenever polling begins or stops
 * @returns when the signal has aborted and its work is finished or given back
 * @throws what ends Temporal's worker
 */
export async function pollWhileAble(
  made: PreparedWorker,
  at: { readonly connection: NativeConnection; readonly namespace: string },
  how: {
    readonly lookEveryMs: number;
    readonly log: Pick<Log, "error" | "info">;
    readonly signal: AbortSignal;
    readonly onStanding: (standing: Standing) => void;
  },
): Promise<void> {
  const { lookEveryMs, log, signal, onStanding } = how;
  const pause = () => sleep(lookEveryMs, undefined, { signal }).catch(() => undefined);
  let isTold = false;
  const tell = (obstacle: string) => {
    if (!isTold) log.error({ obstacle }, "this worker can't work; it takes none until that has passed");
    isTold = true;
    onStanding(obstacle);
  };
  while (!signal.aborted) {
    const obstacle = await made.obstacle(true);
    if (obstacle !== undefined) {
      tell(obstacle);
      await pause();
      continue;
    }
    const worker = await made.create(at);
    if (signal.aborted) return;
    const stop = () => worker.shutdown();
    signal.addEventListener("abort", stop, { once: true });
    const running = worker.run();
    let isOver = false;
    const ended = running.finally(() => {
      isOver = true;
    });
    ended.catch(() => undefined); // thrown below
    isTold = false;
    onStanding(undefined);
    log.info("worker is polling");
    while (!signal.aborted && !isOver) {
      await Promise.race([pause(), ended]);
      if (signal.aborted || isOver) break;
      const found = await made.obstacle(false);
      if (found === undefined || signal.aborted || isOver) continue;
      tell(found);
      worker.shutdown();
      break;
    }
    await ended;
    signal.removeEventListener("abort", stop);
  }
}
