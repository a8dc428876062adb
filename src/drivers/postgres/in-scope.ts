import type { Pool, PoolClient } from "pg";
import { escapeLiteral } from "pg";
import type { InScope, InTransaction, Transaction } from "../../tenancy/transaction.ts";

export type { InScope, InTransaction, Transaction };

/** COMMIT was answered with ROLLBACK: a query of the transaction had failed. */
class NotCommittedError extends Error {
  override readonly name = "NotCommittedError";
  readonly code = "not_committed";
}

export function createInScope(pool: Pool): InScope {
  return inScopeBy(pool, "begin");
}

/**
 * Scopes for what people list and look up. Each statement is planned for the values that it has: one plan for all values of a filter that may be absent
 * reads whole tables.
 */
export function createInReadScope(pool: Pool): InScope {
  return inScopeBy(pool, "begin read only", ", set_config('plan_cache_mode', 'force_custom_plan', true)");
}

/** Scopes whose commit does not wait for the disk: a crash of Postgres may lose it, and what it recorded is then done once more. */
export function createInLosableScope(pool: Pool): InScope {
  return inScopeBy(pool, "begin", ", set_config('synchronous_commit', 'off', true)");
}

/** Begin and bind are one message. */
const inScopeBy =
  (pool: Pool, begin: string, settings = ""): InScope =>
  ({ tenant, org }, work) =>
    transact(
      pool,
      work,
      `${begin}; select set_config('app.tenant_id', ${escapeLiteral(tenant)}, true), set_config('app.org_id', ${escapeLiteral(org)}, true)${settings}`,
    );

export function createInTransaction(pool: Pool): InTransaction {
  return (work) => transact(pool, work);
}

/** Transactions that see one moment and write nothing. */
export function createSnapshots(pool: Pool): InTransaction {
  return (work) => transact(pool, work, "begin isolation level repeatable read read only");
}

/** Each statement is a transaction of its own: no begin, no commit, one answer to wait for. */
export function createSingleStatements(pool: Pool): Transaction {
  return {
    query: (sql, values) =>
      withClient(
        pool,
        (client) => preparing(client).query(sql, values),
        async (error) => (isAnswered(error) ? undefined : asError(error)),
      ),
  };
}

/**
 * A failed transaction is rolled back; a client that pg itself gave up on is dropped, since its state is unknown.
 * @throws NotCommittedError, and whatever `work` throws
 */
async function transact<T>(pool: Pool, work: (transaction: Transaction) => Promise<T>, begin = "begin"): Promise<T> {
  return withClient(
    pool,
    async (client) => {
      const [opened, worked] = await Promise.allSettled([client.query(begin), work(preparing(client))]);
      if (opened.status === "rejected") throw opened.reason;
      if (worked.status === "rejected") throw worked.reason;
      const commit = await client.query("commit");
      if (commit.command !== "COMMIT") throw new NotCommittedError("the transaction was rolled back by the server");
      return worked.value;
    },
    (error, client) => client.query("rollback").then(() => (isAnswered(error) ? undefined : asError(error)), asError),
  );
}

/** @param faultAfter - after work failed: why its client can't be used again, if so */
async function withClient<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  faultAfter: (error: unknown, client: PoolClient) => Promise<Error | undefined>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  const onLost = (error: Error) => {
    broken = error; // its queries fail as well; unheard, this event would end the process
  };
  client.on("error", onLost);
  try {
    return await work(client);
  } catch (error) {
    broken ??= await faultAfter(error, client);
    throw error;
  } finally {
    if (broken === undefined) client.off("error", onLost);
    client.release(broken);
  }
}

/** Names by statement. Rooms write their statements out, so there are as many as the code has. */
const statementNames = new Map<string, string>();

/** Prepares each statement once per connection: planning one anew takes Postgres about as long as executing it. */
function preparing(client: PoolClient): Transaction {
  return {
    query(text, values) {
      const name = statementNames.get(text) ?? `s${statementNames.size}`;
      statementNames.set(text, name);
      return client.query({ name, text, values: values as unknown[] });
    },
  };
}

/** @returns whether Postgres itself refused (five characters of SQLSTATE), as opposed to a failure on the way */
function hasSqlState(error: unknown): error is Error & { readonly code: string } {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    /^[0-9A-Z]{5}$/.test(error.code) &&
    "severity" in error
  );
}

/**
 * @returns whether Postgres refused the rows themselves: SQLSTATE class 22 (data exception) or 23 (integrity).
 * A missing partition has the code of a check violation, but names no constraint: it is upkeep that is missing, and the rows are fine.
 */
export function isDataError(error: unknown): boolean {
  if (!hasSqlState(error) || !/^2[23]/.test(error.code)) return false;
  return error.code !== "23514" || ("constraint" in error && error.constraint !== undefined);
}

/** pg answers a query timeout while the server still works on it: such a client is never used again. */
const isAnswered = (error: unknown): boolean => hasSqlState(error) || !/timeout|connection/i.test(String(error));
const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
