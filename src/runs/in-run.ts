import { runEnded } from "../telemetry/metrics/run-metrics.ts";
import type { InScope, Scope, Transaction } from "../tenancy/transaction.ts";
import { UnknownIdError } from "../tenancy/unknown-id-error.ts";
import { isUuid } from "../tenancy/uuid.ts";
import type { RunDraft } from "./run-draft.ts";
import { draftRun } from "./run-draft.ts";
import type { RunOutcome, RunStatus } from "./run-status.ts";
import { isEnded } from "./run-status.ts";
import type { RunRow } from "./run-store.ts";
import { findRun, hasRun } from "./run-store.ts";
import type { EventDraft, StreamHead } from "./stream/chain-events.ts";
import { lockStream } from "./stream/run-event-store.ts";
import { writeDrafts } from "./write-drafts.ts";

/** The scope has no run with that id. */
export class UnknownRunError extends UnknownIdError {
  override readonly name = "UnknownRunError";
  readonly code = "unknown_run";
  readonly runId: string;
  constructor(runId: string) {
    super("run_id", runId, {
      rule: "the id of a run of this tenant and org",
      remedy: "`automation run list` shows them",
    });
    this.runId = runId;
  }
}

/** The run's stream has changed since it was read: read again and decide again. */
export class StreamMovedError extends Error {
  override readonly name = "StreamMovedError";
  readonly code = "stream_moved";
  constructor(runId: string) {
    super(`the event stream of run ${runId} changed while its next events were prepared; call again`);
  }
}

/** @throws UnknownRunError when the bound scope has no such run */
export async function assertRun(transaction: Transaction, tenant: string, runId: string): Promise<void> {
  const isKnown = isUuid(runId) && (await hasRun(transaction, tenant, runId));
  if (!isKnown) throw new UnknownRunError(runId);
}

/** A run whose stream is locked by the current transaction. */
export interface OpenRun {
  readonly transaction: Transaction;
  readonly run: RunRow;
  readonly head: StreamHead;
  readonly closed: boolean;
  /** Appends events; sets their sequence and hash. */
  append(drafts: readonly EventDraft[]): Promise<void>;
  /** Changes the status and appends its event. @throws IllegalTransitionError */
  moveTo(
    status: RunStatus,
    writerKey: string,
    why?: { readonly reason?: string; readonly outcome?: RunOutcome },
  ): Promise<void>;
  /** Writes a draft, if it has events. @throws StreamMovedError when the stream is no longer where the draft began */
  write(draft: RunDraft): Promise<void>;
}

/**
 * Runs work in one transaction that is bound to the run's tenant and org and holds the lock of its stream: changes and events of the run commit together, in order.
 * @throws UnknownRunError
 */
export type InRun = <T>(scope: Scope & { readonly runId: string }, work: (open: OpenRun) => Promise<T>) => Promise<T>;

export function createInRun(deps: { readonly inScope: InScope; readonly now: () => Date }): InRun {
  return async (scope, work) => {
    let ended: RunRow | undefined;
    const answer = await deps.inScope(scope, async (transaction) => {
      const { tenant, runId } = scope;
      const [stream, found] = await Promise.all([
        lockStream(transaction, { tenant, runId }),
        findRun(transaction, tenant, runId),
      ]);
      if (stream === undefined || found === undefined) throw new UnknownRunError(runId);
      const open = openRun(transaction, found, stream, deps.now);
      const done = await work(open);
      if (isEnded(open.run.status) && !isEnded(found.status)) ended = open.run;
      return done;
    });
    if (ended !== undefined) runEnded(ended);
    return answer;
  };
}

function openRun(
  transaction: Transaction,
  found: RunRow,
  stream: StreamHead & { closed: boolean },
  now: () => Date,
): OpenRun {
  let run = found;
  const { lastSequence, lastHash, sizeBytes } = stream;
  let head: StreamHead = { lastSequence, lastHash, sizeBytes };
  let closed = stream.closed;
  const write = async (draft: RunDraft): Promise<void> => {
    if (draft.events.length === 0) return;
    if (draft.base.lastHash !== head.lastHash) throw new StreamMovedError(run.runId);
    if (closed) throw new Error(`the event stream of run ${run.runId} is closed`);
    run = draft.run;
    head = draft.head;
    closed = isEnded(run.status);
    await writeDrafts(transaction, [draft]);
  };
  const say = async (what: (draft: RunDraft) => void): Promise<void> => {
    const draft = draftRun(run, head, now());
    what(draft);
    await write(draft);
  };
  return {
    transaction,
    get run() {
      return run;
    },
    get head() {
      return head;
    },
    get closed() {
      return closed;
    },
    append: (drafts) => say((draft) => draft.append(drafts)),
    moveTo: (status, writerKey, why) => say((draft) => draft.moveTo(status, writerKey, why)),
    write,
  };
}

/** Calls `onAppended` after each commit that appended events to the run, so that its readers are woken. */
export function tellAppended(
  inRun: InRun,
  onAppended: (run: { readonly tenant: string; readonly runId: string }) => void,
): InRun {
  return async (scope, work) => {
    let hasAppended = false;
    const answer = await inRun(scope, async (open) => {
      const before = open.head.lastSequence;
      const done = await work(open);
      hasAppended = open.head.lastSequence > before;
      return done;
    });
    if (hasAppended) onAppended(scope);
    return answer;
  };
}
