import type { ListedObject, ObjectStore } from "../artifacts/object-store.ts";
import type { InTransaction, Transaction } from "../tenancy/transaction.ts";

/** An object without a row that names it. */
export interface Orphan extends ListedObject {
  readonly tenant: string;
}

/** How long an object may lie there before a row names it: an upload, the end of a run that can't be written yet. */
export const graceMs = 24 * 3_600_000;

const keyPattern = /^tenants\/([^/]+)(?:\/orgs\/([^/]+))?\/sha256\/([0-9a-f]{64})$/;

/**
 * Looks through the store, page by page, for objects older than a time that no row names: no artifact or attestation, no report or prepared seal of a run that goes on, no persona.
 * @returns pages of how many objects there were, and which of them are orphans
 */
export async function* findOrphans(
  { snapshot, objects }: { readonly snapshot: InTransaction; readonly objects: Pick<ObjectStore, "list"> },
  olderThan: Date,
  signal: AbortSignal,
): AsyncGenerator<{ readonly seen: number; readonly orphans: readonly Orphan[] }> {
  let after: string | undefined;
  while (!signal.aborted) {
    const page = await objects.list("tenants/", after, signal);
    if (page.length === 0) return;
    after = page.at(-1)?.key;
    const old = page.filter(({ storedAt }) => storedAt < olderThan);
    const parsed = old.flatMap((object) => {
      const [, tenant, org = "", sha256 = ""] = keyPattern.exec(object.key) ?? [];
      return tenant === undefined ? [] : [{ object, tenant, org, sha256 }];
    });
    const unnamed = parsed.length === 0 ? new Set<number>() : await snapshot((open) => unnamedAmong(open, parsed));
    const orphans = parsed.flatMap(({ object, tenant }, index) => (unnamed.has(index) ? [{ ...object, tenant }] : []));
    yield { seen: page.length, orphans };
  }
}

/** @returns the indexes of those that nothing names */
async function unnamedAmong(
  transaction: Transaction,
  objects: readonly { readonly tenant: string; readonly org: string; readonly sha256: string }[],
): Promise<ReadonlySet<number>> {
  const { rows } = await transaction.query<{ index: number }>(
    `with page as (
       select * from unnest($1::text[], $2::text[], $3::text[]) with ordinality as page (tenant, org, sha256, place)
     ), open as materialized (
       select w.tenant, w.org, u->>'sha256' as sha256 from runs as r join work_reports as w using (tenant, run_id), jsonb_array_elements(w.uploads) as u where r.due_at is not null
       union all select s.tenant, s.org, s.log_sha256 from runs as r join seals as s using (tenant, run_id) where r.due_at is not null
     )
     select page.place - 1 as index from page
     where not exists (select from artifacts as a where a.tenant = page.tenant and a.sha256 = page.sha256 and a.org = page.org)
       and not exists (select from attestation_subjects as s where s.tenant = page.tenant and s.value = page.sha256 and s.org = page.org)
       and not exists (select from open where open.tenant = page.tenant and open.sha256 = page.sha256 and open.org = page.org)
       and not exists (select from personas as p where page.org = '' and p.tenant = page.tenant and p.digest = page.sha256)`,
    [objects.map(({ tenant }) => tenant), objects.map(({ org }) => org), objects.map(({ sha256 }) => sha256)],
  );
  return new Set(rows.map(({ index }) => index));
}
