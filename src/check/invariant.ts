import type { Transaction } from "../tenancy/transaction.ts";

/** Rows of one kind, a page of them: runs by run id, requests by request id, and so what names a request. */
export interface Page {
  readonly tenants: readonly string[];
  readonly ids: readonly string[];
}

/** Something that is not as it must always be. */
export interface Finding {
  readonly tenant: string;
  /** Of the run or request. */
  readonly id: string;
  /** What is wrong, as the end of a sentence about it. */
  readonly what: string;
}

/** What an invariant says of a page. */
export interface Look {
  /** How many rows of the page the claim is about; of a look that saw none nothing follows. */
  readonly seen: number;
  readonly findings: readonly Finding[];
}

/** What must always be true, and how it is looked for. It only reads. */
export interface Invariant {
  readonly id: string;
  /** For people. */
  readonly claim: string;
  readonly over: "runs" | "requests" | "names";
  /** All looks at a page see the same moment of the database. */
  readonly look: (transaction: Transaction, page: Page) => Promise<Look>;
}

/** Runs, as `page` in SQL. */
const runsOfPage = "with page as (select * from unnest($1::text[], $2::uuid[]) as page (tenant, run_id))";
/** Requests, or the ids that identities and deliveries name, as `page` in SQL. */
const requestsOfPage = "with page as (select * from unnest($1::text[], $2::uuid[]) as page (tenant, request_id))";

/**
 * A look by SQL.
 * @param over - `page` is a relation of (tenant, run_id) for runs, else of (tenant, request_id)
 * @param seen - statement that counts the rows of `page` that the claim is about, as `seen`
 * @param faults - statements that return tenant, id and what of each finding
 */
export function lookBySql(over: Invariant["over"], seen: string, faults: readonly string[]): Invariant["look"] {
  const head = over === "runs" ? runsOfPage : requestsOfPage;
  return async (transaction, { tenants, ids }) => {
    const values = [tenants, ids];
    const [counted, ...found] = await Promise.all([
      transaction.query<{ seen: number }>(`${head} ${seen}`, values),
      ...faults.map((fault) => transaction.query<Finding>(`${head} ${fault}`, values)),
    ]);
    return { seen: counted?.rows[0]?.seen ?? 0, findings: found.flatMap(({ rows }) => rows) };
  };
}

/** A look of several parts; the claim is about what the first one saw. */
export function lookByAll(...looks: readonly Invariant["look"][]): Invariant["look"] {
  return async (transaction, page) => {
    const all: Look[] = [];
    for (const look of looks) all.push(await look(transaction, page));
    return { seen: all[0]?.seen ?? 0, findings: all.flatMap(({ findings }) => findings) };
  };
}
