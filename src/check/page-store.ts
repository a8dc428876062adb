import type { Transaction } from "../tenancy/transaction.ts";
import type { Invariant, Page } from "./invariant.ts";

/** Where a walk is: the key of the last row it had. */
type Place = readonly string[];

/** A way through all rows of a table, page by page, by its primary key or from a time on. */
export interface Walk {
  /** What its pages are of. */
  readonly over: Invariant["over"];
  /** What it counts. */
  readonly counts: "runs" | "requests" | "identities" | "deliveries";
  readonly begin: Place;
  /** @returns undefined after the last page */
  readonly next: (
    transaction: Transaction,
    after: Place,
  ) => Promise<{ readonly page: Page; readonly at: Place } | undefined>;
}

const pageRows = 100;
const nowhere = "00000000-0000-0000-0000-000000000000";

/** Null for a request that is so old that it may have been dropped on time. */
const ifRequestIsKept = (createdAt: string, requestId: string) =>
  `case when coalesce(${createdAt} >= (select since from kept_since where what = 'requests'), true) then ${requestId} end`;

const allRuns: Walk = walk(
  "runs",
  "runs",
  ["", nowhere],
  `select tenant, run_id as id, array[tenant, run_id::text] as at from runs
  where (tenant, run_id) > ($1, $2::uuid) order by tenant, run_id limit ${pageRows}`,
);

/** Identities and deliveries are walked too, since they name requests that may not be there. */
const wholeWalks: readonly Walk[] = [
  walk(
    "requests",
    "requests",
    ["", nowhere],
    `select tenant, request_id as id, array[tenant, request_id::text] as at from run_requests
    where (tenant, request_id) > ($1, $2::uuid) order by tenant, request_id limit ${pageRows}`,
  ),
  walk(
    "names",
    "identities",
    ["", "", ""],
    `select tenant, ${ifRequestIsKept("i.created_at", "i.request_id")} as id, array[tenant, source, event_id] as at from event_identities as i
    where (tenant, source, event_id) > ($1, $2, $3) order by tenant, source, event_id limit ${pageRows}`,
  ),
  walk(
    "names",
    "deliveries",
    ["", "", ""],
    `select d.tenant, ${ifRequestIsKept("i.created_at", "d.request_id")} as id, array[d.tenant, d.position, d.record_digest] as at
     from deliveries as d left join event_identities as i on i.tenant = d.tenant and i.source = d.source and i.event_id = d.event_id
     where (d.tenant, d.position, d.record_digest) > ($1, $2, $3) order by d.tenant, d.position, d.record_digest limit ${pageRows}`,
  ),
  allRuns,
];

/** All rows; with a time, what came since then, tenant by tenant, by the indexes that lists of the newest use. */
export function walksOf(since: Date | undefined): readonly Walk[] {
  if (since === undefined) return wholeWalks;
  return [newest("requests", "run_requests", "request_id", "received_at", since.toISOString()), walkOfRuns(since)];
}

export function walkOfRuns(since: Date | undefined): Walk {
  return since === undefined ? allRuns : newest("runs", "runs", "run_id", "created_at", since.toISOString());
}

function newest(counts: "runs" | "requests", table: string, id: string, time: string, from: string): Walk {
  // rows of one transaction have one time: they are one page
  const ofTenant = (tenant: string) => `select tenant, ${id} as id, array[tenant, ${time}::text] as at from ${table}
    where tenant = ${tenant} and ${time} > $2::timestamptz order by ${time} fetch first ${pageRows} rows with ties`;
  const rest = walk(counts, counts, ["", from], ofTenant("$1"));
  const nextTenant = `select min(tenant) as tenant from ${table} where tenant > $1`;
  return {
    ...rest,
    next: async (transaction, after) => {
      let [tenant, time] = after;
      for (;;) {
        const found = tenant === "" ? undefined : await rest.next(transaction, [tenant ?? "", time ?? from]);
        if (found !== undefined) return found;
        const { rows } = await transaction.query<{ tenant: string | null }>(nextTenant, [tenant]);
        if (rows[0]?.tenant == null) return undefined;
        [tenant, time] = [rows[0].tenant, from];
      }
    },
  };
}

function walk(over: Walk["over"], counts: Walk["counts"], begin: Place, sql: string): Walk {
  return {
    over,
    counts,
    begin,
    next: async (transaction, after) => {
      const { rows } = await transaction.query<{ tenant: string; id: string | null; at: string[] }>(sql, after);
      const last = rows.at(-1);
      if (last === undefined) return undefined;
      const named = rows.filter(({ id }) => id !== null);
      return {
        page: { tenants: named.map(({ tenant }) => tenant), ids: named.map(({ id }) => id ?? "") },
        at: last.at,
      };
    },
  };
}
