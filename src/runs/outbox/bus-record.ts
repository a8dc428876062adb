/**
 * A message of a bus, sent or received. The type lives in this room because it is the lowest one that sends records;
 * `requests/delivery.ts` adds to it where a received one stood.
 */
export interface BusRecord {
  /** Records of one key stay in order. */
  readonly key: string | null;
  /** In their order; a name may come twice. */
  readonly headers: readonly Header[];
  readonly body: Uint8Array | null;
}

/** Values are any bytes. */
export type Header = readonly [name: string, value: Uint8Array];

/** Port: takes records to a bus. Drivers implement it; `test/ports/bus-suite.ts` is the suite over all of them. */
export interface RecordSink {
  /** Resolves when the bus answers. */
  connect(): Promise<void>;
  /**
   * Resolves when the bus has stored the records durably. Sends are made one after another, so records of one key arrive in the order of the calls.
   * After a failure the bus may have the records or not: send them again.
   */
  send(topic: string, records: readonly BusRecord[]): Promise<void>;
  /** Whether the last connect or send succeeded; true before the first. */
  healthy(): boolean;
  /** Gives up what is under way. */
  close(): Promise<void>;
}

/** @returns headers with texts as UTF-8 */
export const textHeaders = (texts: Readonly<Record<string, string>>): Header[] =>
  Object.entries(texts).map(([name, text]) => [name, Buffer.from(text)]);
