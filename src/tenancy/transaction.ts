/**
 * A database transaction, as rooms and their stores see it; the connection belongs to `drivers/postgres/`.
 * Queries that are not awaited in between run in order, and one that fails makes the commit fail.
 */
export interface Transaction {
  query<Row extends object = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: Row[]; readonly rowCount: number | null }>;
}

/** The tenant and org of a transaction. */
export interface Scope {
  readonly tenant: string;
  /** `*`: all orgs of the tenant, read-only. */
  readonly org: string;
}

/** Runs work in one transaction that row-level security binds to a tenant and an org. */
export type InScope = <T>(scope: Scope, work: (transaction: Transaction) => Promise<T>) => Promise<T>;

/** Runs work in one transaction over all tenants, as far as the policies of the database role allow it. */
export type InTransaction = <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;

/** One of many keys that are looked up in one query. */
export interface Wanted {
  readonly tenant: string;
  readonly id: string;
  /** Empty: the newest one. */
  readonly version: string;
}

/** The value found for the key at `index`. */
export interface FoundRow<T> {
  readonly index: number;
  readonly value: T;
}

/** Looks up many keys of any tenants at once; a key without a value has no row. */
export type LookUp<T> = (transaction: Transaction, wanted: readonly Wanted[]) => Promise<FoundRow<T>[]>;
