import type { AcceptCounts, AcceptRequests } from "./accept-requests.ts";

/** A record of the request topic. */
export interface RequestRecord {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly headerFaults: readonly { readonly name: string; readonly rule: string }[];
  readonly value: Uint8Array | null;
}

/**
 * Gives a batch of records their dispositions and wakes the release loop when runs came of it.
 * @returns what the consumer calls; it resolves only when every record is durable
 */
export function createConsumeRequests(deps: {
  readonly accept: AcceptRequests;
  /** Name of the cluster in the operator's bindings. */
  readonly cluster: string;
  readonly onAccepted: () => void;
  readonly onCounts: (counts: AcceptCounts) => void;
}): (records: readonly RequestRecord[]) => Promise<void> {
  return async (records) => {
    const counts = await deps.accept(
      records.map((record) => ({
        ...record,
        cluster: deps.cluster,
        position: `kafka:${deps.cluster}/${record.topic}@${record.topicId}/${record.partition}/${record.offset}`,
      })),
    );
    if (counts.accepted > 0) deps.onAccepted();
    deps.onCounts(counts);
  };
}
