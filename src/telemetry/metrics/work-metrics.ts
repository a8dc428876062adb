import { counter, gauge, histogram, secondsOfWork } from "../instruments.ts";

const attempts = counter({
  name: "automation.work.attempts",
  unit: "{attempt}",
  description:
    "Tries of a segment of work: done, failed (the work itself), cancelled, retried (the scheduler's own fault).",
  labels: ["outcome"],
  processes: ["worker-workspace"],
});

const parts = histogram({
  name: "automation.work.part_duration.seconds",
  unit: "s",
  description: "Parts of the work: prepare workspace, test on the base, step, capture, test, upload.",
  labels: ["part", "outcome"],
  processes: ["worker-workspace"],
  buckets: secondsOfWork,
});

const steps = counter({
  name: "automation.steps",
  unit: "{step}",
  description: "Steps that ended, by persona (none for a command or a test), outcome and cause.",
  labels: ["persona", "outcome", "reason"],
  processes: ["worker-workspace"],
});

const limits = counter({
  name: "automation.box.limits_hit",
  unit: "{limit}",
  description: "Boxes that were ended by a limit of their policy.",
  labels: ["limit"],
  processes: ["worker-workspace"],
});

const slots = gauge({
  name: "automation.workspace.slots",
  unit: "{slot}",
  description: "Slots for work, used and free.",
  labels: ["state"],
  processes: ["worker-workspace"],
});

export const attemptEnded = (outcome: "done" | "failed" | "cancelled" | "retried"): void => attempts({ outcome });

/** Measures a part of the work. */
export async function measurePart<T>(part: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  let outcome = "failed";
  try {
    const done = await work();
    outcome = "done";
    return done;
  } finally {
    parts({ part, outcome }, (performance.now() - began) / 1_000);
  }
}

export function stepEnded(
  persona: string | undefined,
  outcome: "done" | "failed",
  reason: string,
  limit: string | undefined,
): void {
  steps({ persona: persona ?? "none", outcome, reason });
  if (limit !== undefined) limits({ limit });
}

export function observeSlots(read: () => { readonly used: number; readonly free: number }): void {
  slots(() => {
    const { used, free } = read();
    return [
      { value: used, labels: { state: "used" } },
      { value: free, labels: { state: "free" } },
    ];
  });
}
