import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { KeyState, KnownKey, Phase } from "./scrum-rules.ts";

/** A hand-off key with its request and answer. */
export interface KeyEntry extends KnownKey {
  readonly tenant: string;
  readonly key: string;
  readonly runId: string;
  /** The request of the try as proto JSON; for a key that was unknown when it was cancelled, that of the cancel. */
  readonly request: string;
  /** The answer to the try and its confirm, as proto JSON; the answer to a cancel is empty. */
  readonly answer: string;
  /** Since when the key is in its state. */
  readonly since: Date;
}

export interface Ledger {
  find(tenant: string, key: string): KeyEntry | undefined;
  /** Inserts or updates a key. */
  put(entry: KeyEntry): void;
  forget(tenant: string, key: string): void;
  /** Forgets tries that expired before that moment. */
  dropExpired(before: Date): void;
  /** All keys in a state, longest first. */
  list(state: KeyState): KeyEntry[];
  /** This service's own id for a thing, made at the first call and the same afterwards: `INC-1`, `INC-2` … within a tenant. */
  idOf(tenant: string, prefix: "INC" | "IMP", thing: readonly string[]): string;
  /** Runs work in one transaction: durable when it returns, undone when it throws. */
  inTransaction<T>(work: () => T): T;
  close(): void;
}

const schema = `
  create table if not exists keys (
    tenant text not null, key text not null, method text not null, run_id text not null,
    state text not null check (state in ('TRIED', 'CONFIRMED', 'CANCELLED')), since text not null,
    request text not null, answer text not null, expires_at text, try text, confirm text, cancel text,
    primary key (tenant, key)
  ) strict;
  create index if not exists keys_by_state on keys (state, since);
  create table if not exists ids (
    tenant text not null, prefix text not null, thing text not null, number integer not null,
    primary key (tenant, prefix, thing), unique (tenant, prefix, number)
  ) strict;`;

type Row = Record<Phase, string | null> & {
  tenant: string;
  key: string;
  method: string;
  run_id: string;
  state: KeyState;
  since: string;
  request: string;
  answer: string;
  expires_at: string | null;
};

/** Opens the ledger and creates it at the first start. A commit is on disk when it returns. */
export function openLedger(stateDir: string): Ledger {
  mkdirSync(stateDir, { recursive: true });
  const database = new DatabaseSync(join(stateDir, "scrum.db"), { timeout: 5_000 });
  database.exec("pragma journal_mode = wal; pragma synchronous = full");
  database.exec(schema);
  const find = database.prepare("select * from keys where tenant = ? and key = ?");
  const put = database.prepare(`insert or replace into keys
    (tenant, key, method, run_id, state, since, request, answer, expires_at, try, confirm, cancel)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const forget = database.prepare("delete from keys where tenant = ? and key = ?");
  const dropExpired = database.prepare("delete from keys where state = 'TRIED' and expires_at <= ?");
  const list = database.prepare("select * from keys where state = ? order by since, key");
  const findId = database.prepare("select number from ids where tenant = ? and prefix = ? and thing = ?");
  const makeId = database.prepare(`insert into ids (tenant, prefix, thing, number)
    select ?1, ?2, ?3, coalesce(max(number), 0) + 1 from ids where tenant = ?1 and prefix = ?2 returning number`);
  return {
    find: (tenant, key) => {
      const row = find.get(tenant, key);
      return row === undefined ? undefined : entryOf(row as Row);
    },
    put: ({ tenant, key, method, runId, state, since, request, answer, expiresAt, digests }) => {
      const moments = [since.toISOString(), expiresAt?.toISOString() ?? null] as const;
      const { try: tried, confirm, cancel } = digests;
      put.run(tenant, key, method, runId, state, moments[0], request, answer, moments[1], tried, confirm, cancel);
    },
    forget: (tenant, key) => void forget.run(tenant, key),
    dropExpired: (before) => void dropExpired.run(before.toISOString()),
    list: (state) => list.all(state).map((row) => entryOf(row as Row)),
    idOf: (tenant, prefix, thing) => {
      const named = [tenant, prefix, JSON.stringify(thing)] as const;
      const row = findId.get(...named) ?? makeId.get(...named);
      return `${prefix}-${row?.number}`;
    },
    inTransaction: (work) => {
      database.exec("begin immediate");
      try {
        const result = work();
        database.exec("commit");
        return result;
      } catch (error) {
        database.exec("rollback");
        throw error;
      }
    },
    close: () => database.close(),
  };
}

function entryOf({ tenant, key, method, run_id, state, since, request, answer, expires_at, ...phases }: Row): KeyEntry {
  return {
    tenant,
    key,
    method,
    runId: run_id,
    state,
    since: new Date(since),
    request,
    answer,
    expiresAt: expires_at === null ? undefined : new Date(expires_at),
    digests: { try: phases.try, confirm: phases.confirm, cancel: phases.cancel },
  };
}
