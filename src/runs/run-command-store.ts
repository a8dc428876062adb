import type { CancelRequestedJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import type { Transaction } from "../tenancy/transaction.ts";

/** Records that a run is to end CANCELLED, and the command that signals its workflow. The caller holds the stream's lock. */
export async function insertCancel(
  transaction: Transaction,
  command: {
    readonly tenant: string;
    readonly runId: string;
    readonly commandId: string;
    readonly generation: number;
    readonly cancel: CancelRequestedJson;
  },
): Promise<void> {
  const { tenant, runId, cancel } = command;
  await Promise.all([
    transaction.query("update runs set desired_state = 'CANCEL', cancel = $3 where tenant = $1 and run_id = $2", [
      tenant,
      runId,
      JSON.stringify(cancel),
    ]),
    transaction.query(
      `insert into run_commands (tenant, command_id, run_id, generation, kind, principal, reason)
       values ($1, $2, $3, $4, 'cancel', $5, $6)`,
      [tenant, command.commandId, runId, command.generation, cancel.principal ?? "", cancel.reason ?? ""],
    ),
  ]);
}
