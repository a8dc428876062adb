import type { BusRecord } from "../runs/outbox/bus-record.ts";

/** A record as a bus delivered it. Whoever may write to the topic wrote it: nothing of it is proven. */
export interface Delivery extends BusRecord {
  /** Kind of bus, as operator bindings name it. */
  readonly bus: string;
  readonly cluster: string;
  readonly topic: string;
  /**
   * Where the record stands, in the words of its bus; compared as a whole and never taken apart.
   * It contains the topic's own identity: a topic that was deleted and made again has other positions.
   */
  readonly position: string;
  /** When the bus says that the record was produced. */
  readonly producedAt?: Date;
  /** The rule that was broken when the bus could not unpack what stands here; key, headers and body are empty then. */
  readonly unreadable?: string;
}

export interface SourceOptions {
  readonly topic: string;
  /** Members of one group share the deliveries of a topic. */
  readonly group: string;
  /** Most deliveries of one call of `handle`. */
  readonly batchSize: number;
  /**
   * Called with deliveries that are in order per key. Resolving acknowledges the whole batch, so it resolves only after the durable decision.
   * Rejecting pauses the source: nothing is acknowledged, and the batch comes again once `canGoOn` says so.
   */
  readonly handle: (deliveries: readonly Delivery[]) => Promise<void>;
  /** Asked while the source is paused: whether work can go on. */
  readonly canGoOn: () => Promise<boolean>;
  readonly onPause: (error: unknown) => void;
  /** Told why the group is joined again. */
  readonly onRejoin: (error: unknown) => void;
  readonly now: () => Date;
}

/**
 * Port: hands the deliveries of a topic over, each at least once, and never skips one. Drivers implement it;
 * `test/ports/bus-suite.ts` is the suite over all of them. Membership of the group is kept while the source is paused.
 */
export interface DeliverySource {
  /**
   * Reads until the signal aborts; resolves when the batch in hand is done and the group is left, or 5 s later.
   * Rejects when retrying can't help: missing access, an incompatible bus.
   */
  run(signal: AbortSignal): Promise<void>;
  /** True while the bus answers this member and no part of the topic pauses; else why. */
  standing(): true | string;
  /** Age of the oldest delivery in hand by the bus's time, in seconds; 0 when none is in hand. */
  lagSeconds(): number;
}
