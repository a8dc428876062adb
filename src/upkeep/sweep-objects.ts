import type { ObjectStore } from "../artifacts/object-store.ts";
import type { Orphan } from "../check/orphaned-objects.ts";
import { findOrphans } from "../check/orphaned-objects.ts";
import type { InTransaction } from "../tenancy/transaction.ts";

/** What became of a page of objects. */
export interface Swept {
  readonly seen: number;
  /** With `isDryRun`: those that would be. */
  readonly removed: readonly Orphan[];
}

/**
 * Removes objects that are old and that no row names. It is safe beside runs that upload: what is put is young, and whoever is told that an object is there already refreshes it first.
 * @param wanted.olderThan - by the store's clock; at least a day ago, so that an upload has its time to be named
 */
export async function* sweepObjects(
  deps: { readonly snapshot: InTransaction; readonly objects: Pick<ObjectStore, "list" | "removeStoredBefore"> },
  wanted: { readonly olderThan: Date; readonly isDryRun: boolean; readonly signal: AbortSignal },
): AsyncGenerator<Swept> {
  const { olderThan, isDryRun, signal } = wanted;
  for await (const { seen, orphans } of findOrphans(deps, olderThan, signal)) {
    const removed: Orphan[] = [];
    for (const orphan of orphans) {
      if (signal.aborted) break;
      if (isDryRun || (await deps.objects.removeStoredBefore(orphan.key, olderThan))) removed.push(orphan);
    }
    yield { seen, removed };
  }
}
