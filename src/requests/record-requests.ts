import { insertRuns } from "../runs/new-run-store.ts";
import type { OutboxRecord } from "../runs/outbox/outbox-store.ts";
import { insertRecords } from "../runs/outbox/outbox-store.ts";
import type { Transaction } from "../tenancy/transaction.ts";
import type { Seen } from "./duplicate-store.ts";
import { recordDuplicates } from "./duplicate-store.ts";
import { conflictReason, governanceRecord } from "./governance-record.ts";
import { deliveryIdOf, identityKey } from "./request-identity.ts";
import type { RequestRow } from "./request-store.ts";
import { insertNewRequests } from "./request-store.ts";

/**
 * Writes a batch of decided deliveries in two round trips: first the new identities with their requests; then the runs and bus records of these,
 * and the duplicates and conflicts. New conflicts are told on the bus, in one more.
 * @returns one answer per row, in any order
 */
export async function recordRequests(
  transaction: Transaction,
  rows: readonly RequestRow[],
  now: Date,
): Promise<readonly Seen[]> {
  if (rows.length === 0) return [];
  const candidates = firstOfEach(rows);
  const added = await insertNewRequests(transaction, candidates);
  const fresh = new Set(candidates.filter(({ requestId }) => added.has(requestId)));
  const repeated = rows.flatMap((row, index) => (fresh.has(row) ? [] : [{ ...row, index }]));
  const [known] = await Promise.all([
    recordDuplicates(transaction, repeated),
    insertRuns(
      transaction,
      [...fresh].flatMap(({ run }) => run ?? []),
    ),
    insertRecords(
      transaction,
      [...fresh].flatMap(({ records }) => records),
    ),
  ]);
  await insertRecords(
    transaction,
    known.flatMap((each) => {
      const row = each.seen === "conflict" && each.isNew ? rows[each.index] : undefined;
      return row === undefined ? [] : [conflictRecord(row, each, now)];
    }),
  );
  const firsts = rows.flatMap((row, index): Seen[] =>
    fresh.has(row) ? [{ index, seen: "first", requestId: row.requestId, runId: row.runId }] : [],
  );
  return [...firsts, ...known];
}

/** The first delivery of each identity in the batch. */
function firstOfEach(rows: readonly RequestRow[]): RequestRow[] {
  const first = new Map<string, RequestRow>();
  for (const row of rows) if (!first.has(identityKey(row))) first.set(identityKey(row), row);
  return [...first.values()];
}

function conflictRecord(row: RequestRow, { requestId, runId }: Seen, at: Date): OutboxRecord {
  const { tenant, org, source, eventId, eventType, position } = row;
  const reasons = [conflictReason(eventId)];
  return governanceRecord(
    "conflict",
    deliveryIdOf(position, row.recordDigest),
    { requestId, tenant, org, source, eventId, eventType, position, reasons, runId: runId ?? "" },
    { ...row, at },
  );
}
