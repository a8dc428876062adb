import type { Log } from "./log.ts";

/** Business events, one function each: what happened, in words that dashboards and alerts can hang on. Ids yes, payloads and secrets never. */

interface RunKey {
  readonly tenant: string;
  readonly runId: string;
}

/** A workflow speaks for the run. */
export function runBegun(log: Log, { tenant, runId }: RunKey): void {
  log.info({ event: "run_begun", tenant, runId }, "run begun");
}

/** A worker's token was used for a run that its holder was not asked to work on: it must be looked into. */
export function beginForged(log: Log, { tenant, runId, principal }: RunKey & { readonly principal: string }): void {
  log.warn({ event: "begin_forged", tenant, runId, principal }, "BeginRun with a wrong capability was refused");
}

/** A confirm, cancel or impediment was refused for good: a person must look at it. */
export function handoffStuck(
  log: Log,
  call: RunKey & {
    readonly receiver: string;
    readonly method: string;
    readonly phase: string;
    readonly reason: string;
  },
): void {
  const { tenant, runId, receiver, method, phase, reason } = call;
  log.error({ event: "handoff_stuck", tenant, runId, receiver, method, phase, reason }, "hand-off call is stuck");
}

/** Deliveries went to the quarantine topic, each with its cause and origin in its headers. */
export function deliveriesQuarantined(log: Log, count: number): void {
  log.warn({ event: "deliveries_quarantined", count }, "deliveries quarantined");
}
