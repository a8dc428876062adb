import type { NativeConnection, Worker } from "@temporalio/worker";

/** A worker that has all it needs but the server. */
export interface PreparedWorker {
  create(at: { readonly connection: NativeConnection; readonly namespace: string }): Promise<Worker>;
  /** Gives back what it held, once the worker has ended. */
  close(): Promise<void>;
}
