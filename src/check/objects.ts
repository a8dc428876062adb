import { mapAtMost } from "../artifacts/map-at-most.ts";
import type { ObjectStore } from "../artifacts/object-store.ts";
import type { InTransaction } from "../tenancy/transaction.ts";
import type { Finding } from "./invariant.ts";
import { findOrphans, graceMs } from "./orphaned-objects.ts";
import type { Walk } from "./page-store.ts";
import type { Survey } from "./survey.ts";

const readAtOnce = 4;

/** Every artifact is an object with its bytes: each is read whole. */
export function createKeptObjects(
  deps: { readonly snapshot: InTransaction; readonly objects: Pick<ObjectStore, "digestOf"> },
  runs: Walk,
): Survey {
  return {
    id: "I3",
    claim: "each artifact is there with the bytes of its digest",
    counts: "artifacts",
    async *pages(signal) {
      let at = runs.begin;
      while (!signal.aborted) {
        const step = await deps.snapshot(async (transaction) => {
          const found = await runs.next(transaction, at);
          if (found === undefined) return undefined;
          const { rows } = await transaction.query<{
            tenant: string;
            id: string;
            name: string;
            key: string;
            sha256: string;
          }>(
            `select a.tenant, a.run_id as id, a.name, a.object_key as key, a.sha256
             from unnest($1::text[], $2::uuid[]) as page (tenant, run_id) join artifacts as a using (tenant, run_id)`,
            [found.page.tenants, found.page.ids],
          );
          return { at: found.at, rows };
        });
        if (step === undefined) return;
        at = step.at;
        const looked = await mapAtMost(readAtOnce, step.rows, async ({ tenant, id, name, key, sha256 }) => {
          if (signal.aborted) return { seen: 0, findings: [] };
          const found = await deps.objects.digestOf(key);
          const fault = found === undefined ? "is not there" : found.sha256 === sha256 ? undefined : "has other bytes";
          const findings: Finding[] =
            fault === undefined ? [] : [{ tenant, id, what: `has the artifact ${name}, whose object ${key} ${fault}` }];
          return { seen: 1, findings };
        });
        yield {
          seen: looked.reduce((sum, { seen }) => sum + seen, 0),
          findings: looked.flatMap(({ findings }) => findings),
        };
      }
    },
  };
}

/** Every object is named by a row, once it is a day old. */
export function createNamedObjects(deps: {
  readonly snapshot: InTransaction;
  readonly objects: Pick<ObjectStore, "list">;
  readonly now: () => Date;
}): Survey {
  return {
    id: "objects",
    claim: "each object of the store that is older than a day is named by a row",
    counts: "objects",
    async *pages(signal) {
      const olderThan = new Date(deps.now().getTime() - graceMs);
      for await (const { seen, orphans } of findOrphans(deps, olderThan, signal))
        yield { seen, findings: orphans.map(({ tenant, key }) => ({ tenant, id: key, what: "is named by nothing" })) };
    },
  };
}
