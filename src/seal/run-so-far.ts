import type { MethodGate } from "../definitions/completion-gate.ts";
import { completionGateOf } from "../definitions/completion-gate.ts";
import { findProfile } from "../definitions/profile-store.ts";
import type { RunEventJson } from "../gen/automation/v1/run_event_pb.ts";
import type { VerdictJson } from "../gen/automation/v1/verdict_pb.ts";
import type { ProfileJson } from "../gen/governance/v1/profile_pb.ts";
import type { DesiredStateJson } from "../gen/workflows_runtime/v1/run_pb.ts";
import { findCompletionVerdict } from "../proof/gates/verdict-store.ts";
import type { InRun, OpenRun } from "../runs/in-run.ts";
import { StreamMovedError } from "../runs/in-run.ts";
import type { RunRow } from "../runs/run-store.ts";
import type { ExecutionId, Speaker } from "../runs/speaker.ts";
import { assertSpeaksFor } from "../runs/speaker.ts";
import type { StreamHead } from "../runs/stream/chain-events.ts";
import { readEvents } from "../runs/stream/run-event-store.ts";
import type { ExaminedWork } from "../work/work-report-store.ts";
import { listWork } from "../work/work-report-store.ts";
import { pageEvents } from "./close-log.ts";
import type { CallRow } from "./handoff/handoff-store.ts";
import { listCalls } from "./handoff/handoff-store.ts";
import type { SealRow } from "./seal-store.ts";
import { findSeal } from "./seal-store.ts";

/** A run, and the Temporal execution that speaks for it. */
export interface SealScope {
  readonly tenant: string;
  readonly org: string;
  readonly runId: string;
  readonly execution: ExecutionId;
}

/** A run, and who ends it: its execution or the reconciler. */
export type EndScope = Omit<SealScope, "execution"> & { readonly execution: Speaker };

/** A consistent view of a run. A decision based on it is written only if the stream is still at `head`. */
export interface RunSoFar {
  readonly run: RunRow;
  readonly head: StreamHead;
  /** The first page of its events. */
  readonly events: readonly RunEventJson[];
  /** Whether the run may complete; undefined before that was decided. */
  readonly verdict: VerdictJson | undefined;
  readonly seal: SealRow | undefined;
  readonly calls: readonly CallRow[];
  /** The reports of the segments, in their order, with their findings; empty without one. */
  readonly work: readonly ExaminedWork[];
  /** The version that was pinned when the run was accepted. */
  readonly profile: ProfileJson;
  /** The gate of that profile that the run is judged at. */
  readonly gate: MethodGate;
}

/** @throws UnknownRunError, SupersededExecutionError */
export async function readRunSoFar(inRun: InRun, scope: EndScope): Promise<RunSoFar> {
  return inRun(scope, async (open) => {
    assertSpeaksFor(open.run, scope.execution);
    const { run, head, transaction } = open;
    const pinned = await findProfile(transaction, run.tenant, run.profileId, run.profileVersion);
    if (pinned?.digest !== run.profileDigest)
      throw new Error(`profile ${run.profileId}@${run.profileVersion} is not the one that run ${run.runId} pinned`);
    const { profile } = pinned;
    const gate = completionGateOf(profile);
    const [verdict, seal, calls, work, events] = await Promise.all([
      findCompletionVerdict(transaction, run.tenant, run.runId, gate.id),
      findSeal(transaction, run.tenant, run.runId),
      listCalls(transaction, run.tenant, run.runId),
      listWork(transaction, run.tenant, run.runId),
      readEvents(transaction, run, 0, pageEvents),
    ]);
    return { run, head, events, verdict, seal, calls, work, profile, gate };
  });
}

/** Retries twice when the stream changed meanwhile; after that the caller has to ask again. @throws StreamMovedError */
export async function decideAgainWhenMoved<T>(decide: () => Promise<T>): Promise<T> {
  for (let left = 2; ; left -= 1) {
    try {
      return await decide();
    } catch (error) {
      if (!(error instanceof StreamMovedError) || left === 0) throw error;
    }
  }
}

export function desiredStateOf({ run }: Pick<OpenRun, "run">): DesiredStateJson {
  return `DESIRED_STATE_${run.desiredState}`;
}
