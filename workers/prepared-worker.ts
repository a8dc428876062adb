import type { NativeConnection, Worker } from "@temporalio/worker";

/** A worker that has all it needs but the server. */
export interface PreparedWorker {
  /**
   * Says why it can't work now; undefined: it can.
   * @param isIdle - it holds no work: then it also does what is needed to work again
   */
  obstacle(isIdle: boolean): Promise<string | undefined>;
  create(at: { readonly connection: NativeConnection; readonly namespace: string }): Promise<Worker>;
  /** Gives back what it held, once the worker has ended. */
  close(): Promise<void>;
}
