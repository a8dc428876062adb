import type { Log } from "./log.ts";

/** Business events, one function each; dashboards and alerts rely on their names. They contain ids, never payloads or secrets. */

interface RunKey {
  readonly tenant: string;
  readonly runId: string;
}

/** The first execution of a generation has begun the run. */
export function runBegun(log: Log, { tenant, runId }: RunKey): void {
  log.info({ event: "run_begun", tenant, runId }, "run begun");
}

/** A worker's token was used for a run that its holder was not started for. Investigate it. */
export function beginForged(log: Log, { tenant, runId, principal }: RunKey & { readonly principal: string }): void {
  log.warn({ event: "begin_forged", tenant, runId, principal }, "BeginRun with a wrong capability was refused");
}

/** A run does not make progress; the api acts on the finding. */
export function runHeldUp(log: Log, run: RunKey & { readonly finding: string; readonly detail: string }): void {
  const { tenant, runId, finding, detail } = run;
  log.warn({ event: "run_held_up", tenant, runId, finding, detail }, "a run makes no progress");
}

/** A run that had lost its execution was restarted as the next generation, or ended. */
export function runReconciled(
  log: Log,
  done: RunKey & { readonly finding: string; readonly outcome: string; readonly cause: string },
): void {
  const { tenant, runId, finding, outcome, cause } = done;
  log.warn({ event: "run_reconciled", tenant, runId, finding, outcome, cause }, "a lost run was reconciled");
}

/** Every place of the release loop is held by a run that does not begin: no run of any tenant starts. */
export function releaseStuck(log: Log, places: number): void {
  log.error(
    { event: "release_stuck", places },
    "no run starts: none of those started begins; is a control worker there?",
  );
}

/** An end was sealed without what its run left, because that could not be written: a bug. */
export function fallbackEndSealed(log: Log, { tenant, runId }: RunKey, error: unknown): void {
  log.error({ event: "fallback_end_sealed", tenant, runId, err: error }, "an end is sealed without what its run left");
}

/** A confirm, cancel or impediment call has had no answer for 15 minutes; it is retried forever. */
export function handoffHeldUp(
  log: Log,
  call: RunKey & {
    readonly receiver: string;
    readonly rpc: string;
    readonly phase: string;
    readonly lastError: string;
  },
): void {
  const { tenant, runId, receiver, rpc, phase, lastError } = call;
  log.error(
    { event: "handoff_held_up", tenant, runId, receiver, rpc, phase, lastError },
    "a receiver does not answer a hand-off call",
  );
}

/** A confirm, cancel or impediment call was refused and is not retried: a person must look at it. */
export function handoffStuck(
  log: Log,
  call: RunKey & {
    readonly receiver: string;
    readonly rpc: string;
    readonly phase: string;
    readonly reason: string;
  },
): void {
  const { tenant, runId, receiver, rpc, phase, reason } = call;
  log.error({ event: "handoff_stuck", tenant, runId, receiver, rpc, phase, reason }, "hand-off call is stuck");
}

/** Deliveries went to the quarantine topic; their headers name cause and origin. */
export function deliveriesQuarantined(log: Log, count: number): void {
  log.warn({ event: "deliveries_quarantined", count }, "deliveries quarantined");
}

/** The least recently used mirrors of a tenant were removed to stay below its quota. */
export function mirrorsPruned(
  log: Log,
  pruned: { readonly tenant: string; readonly mirrors: number; readonly bytes: number },
): void {
  log.info({ event: "mirrors_pruned", ...pruned }, "unused mirrors removed");
}

/** A file with a secret changed to something that can't be used. */
export function secretUnusable(log: Log, secretName: string, why: string): void {
  log.warn({ event: "secret_unusable", secretName }, why);
}
