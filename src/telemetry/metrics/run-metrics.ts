import { counter, histogram, secondsOfWork } from "../instruments.ts";

/** What a run that has ended tells. */
interface EndedRun {
  readonly profileId: string;
  readonly method: string;
  readonly cadenceId: string;
  readonly references: { readonly timeboxes?: readonly { readonly kind?: string; readonly id?: string }[] };
  readonly status: string;
  readonly createdAt: Date;
  readonly begunAt: Date | null;
  readonly workBegunAt: Date | null;
  readonly sealingAt: Date | null;
  readonly endedAt: Date | null;
}

const finished = counter({
  name: "automation.runs.finished",
  unit: "{run}",
  description: "Runs that ended.",
  labels: ["profile", "method", "cadence_kind", "outcome"],
  processes: ["api"],
});

/** Causes that no change of a plan, an agent or a methodology can prevent. */
const platformCauses = ["internal", "evidence_lost", "start_refused", "workflow_failed", "workflow_lost", "restored"];
const methodologyCauses = ["handoff_refused", "handoff_limit_exceeded"];

const aborted = counter({
  name: "automation.runs.aborted",
  unit: "{run}",
  description:
    "Runs that ended other than COMPLETED, by cause; fault says whose it is: platform, methodology or tenant.",
  labels: ["outcome", "reason", "fault"],
  processes: ["api"],
  zeros: platformCauses.map((reason) => ({ outcome: "FAILED", reason, fault: "platform" })),
});

const durations = histogram({
  name: "automation.run.duration.seconds",
  unit: "s",
  description: "Time in a phase of an ended run: queue (until it began), work, seal (from SEALING to the end), whole.",
  labels: ["phase", "profile", "outcome"],
  processes: ["api"],
  buckets: secondsOfWork,
});

const reconciled = counter({
  name: "automation.runs.reconciled",
  unit: "{run}",
  description: "Lost runs that were started again as their next generation, or ended.",
  labels: ["finding", "outcome"],
  processes: ["api"],
});

const findings = counter({
  name: "automation.reconcile.findings",
  unit: "{finding}",
  description: "Runs found without progress when compared with Temporal.",
  labels: ["finding"],
  processes: ["dispatcher"],
});

export function runEnded(run: EndedRun): void {
  const { profileId: profile, method, status: outcome, createdAt, begunAt, workBegunAt, sealingAt, endedAt } = run;
  const timebox = run.references.timeboxes?.find(({ id }) => id === run.cadenceId);
  finished({ profile, method, cadence_kind: timebox?.kind ?? "none", outcome });
  const phases = { queue: [createdAt, begunAt], work: [workBegunAt, sealingAt], seal: [sealingAt, endedAt] } as const;
  for (const [phase, [from, to]] of Object.entries({ ...phases, whole: [createdAt, endedAt] as const }))
    if (from !== null && to !== null)
      durations({ phase, profile, outcome }, Math.max(0, to.getTime() - from.getTime()) / 1_000);
}

export const runAborted = (outcome: string, reason: string): void =>
  aborted({ outcome, reason, fault: faultOf(reason) });

/** @returns whose fault a cause is */
export function faultOf(cause: string): "platform" | "methodology" | "tenant" {
  if (platformCauses.includes(cause)) return "platform";
  return methodologyCauses.includes(cause) ? "methodology" : "tenant";
}

export const lostRunReconciled = (finding: string, outcome: string): void => reconciled({ finding, outcome });
export const runFoundWithoutProgress = (finding: string): void => findings({ finding });
