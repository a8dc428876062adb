import type { Transaction } from "../tenancy/transaction.ts";

/** A command whose signal is due, with the state of its run. */
export interface DueCommand {
  readonly tenant: string;
  readonly org: string;
  readonly commandId: string;
  readonly runId: string;
  readonly generation: number;
  readonly attempts: number;
  readonly hasBegun: boolean;
  readonly hasEnded: boolean;
}

/** Claims due commands of all tenants for 10 s, oldest first. */
export async function claimCommands(transaction: Transaction, atMost: number): Promise<DueCommand[]> {
  const { rows } = await transaction.query<DueCommand>(
    `with due as (
       select tenant, command_id from run_commands
       where delivered_at is null and next_attempt_at <= clock_timestamp()
       order by next_attempt_at limit $1 for update skip locked
     ), claimed as (
       update run_commands as c set attempts = c.attempts + 1, next_attempt_at = clock_timestamp() + interval '10 seconds'
       from due where c.tenant = due.tenant and c.command_id = due.command_id
       returning c.tenant, c.command_id, c.run_id, c.attempts
     )
     select c.tenant, r.org, c.command_id as "commandId", c.run_id as "runId", r.generation, c.attempts,
       r.begun_at is not null as "hasBegun", r.ended_at is not null as "hasEnded"
     from claimed as c join runs as r on r.tenant = c.tenant and r.run_id = c.run_id`,
    [atMost],
  );
  return rows;
}

export async function markDelivered(transaction: Transaction, commands: readonly CommandKey[]): Promise<void> {
  await transaction.query(
    `update run_commands as c set delivered_at = clock_timestamp()
     from unnest($1::text[], $2::uuid[]) as done (tenant, command_id)
     where c.tenant = done.tenant and c.command_id = done.command_id`,
    columns(commands),
  );
}

/** Makes commands due again after so many seconds. */
export async function postpone(
  transaction: Transaction,
  commands: readonly CommandKey[],
  seconds: number,
): Promise<void> {
  await transaction.query(
    `update run_commands as c set next_attempt_at = clock_timestamp() + make_interval(secs => $3)
     from unnest($1::text[], $2::uuid[]) as late (tenant, command_id)
     where c.tenant = late.tenant and c.command_id = late.command_id`,
    [...columns(commands), seconds],
  );
}

type CommandKey = Pick<DueCommand, "tenant" | "commandId">;

const columns = (commands: readonly CommandKey[]) => [
  commands.map(({ tenant }) => tenant),
  commands.map(({ commandId }) => commandId),
];
