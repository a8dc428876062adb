/**
 * What rooms and their stores see of a database transaction; the connection behind it belongs to `postgres/`.
 * Everything asked of one transaction may share a round trip: queries answer in order, and a failed one fails the commit.
 */
export interface Transaction {
  query<Row extends object = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
  ): Promise<{ readonly rows: Row[]; readonly rowCount: number | null }>;
}

/** For whom a transaction speaks. */
export interface Scope {
  readonly tenant: string;
  /** `*`: every org of the tenant, to be read; nothing that belongs to an org can be written under it. */
  readonly org: string;
}

/** Runs work in one transaction that row-level security binds to a tenant and an org. */
export type InScope = <T>(scope: Scope, work: (transaction: Transaction) => Promise<T>) => Promise<T>;

/** Runs work in one transaction of a role that has named policies across tenants. */
export type InTransaction = <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;

/** One of many things that are looked up in one query. */
export interface Wanted {
  readonly tenant: string;
  readonly id: string;
  /** Empty: the newest, where there are versions. */
  readonly version: string;
}

/** What was found for the `index`th of them. */
export interface FoundRow<T> {
  readonly index: number;
  readonly value: T;
}

/** Looks many up at once, over tenants; what is not there has no row. */
export type LookUp<T> = (transaction: Transaction, wanted: readonly Wanted[]) => Promise<FoundRow<T>[]>;
