import type { NativeConnection, Worker } from "@temporalio/worker";

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
