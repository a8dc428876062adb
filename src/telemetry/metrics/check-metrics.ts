import { gauge } from "../instruments.ts";

/** What the newest rounds of `automation check --watch` found, by invariant. */
export interface CheckState {
  readonly invariants: readonly { readonly id: string; readonly seen: number; readonly broken: number }[];
  /** Since the last round that looked at all it meant to. */
  readonly ageSeconds: number;
}

const broken = gauge({
  name: "automation.invariant.broken",
  unit: "{row}",
  description: "Rows that break what must always be true, as the last whole check and the newest round found them.",
  labels: ["invariant"],
  processes: ["check"],
});

const seen = gauge({
  name: "automation.invariant.seen",
  unit: "{row}",
  description: "Rows that the last whole check looked at; of 0 nothing follows.",
  labels: ["invariant"],
  processes: ["check"],
});

const age = gauge({
  name: "automation.check.age.seconds",
  unit: "s",
  description: "Since the last round of the check that ended; it grows while the check can't look.",
  labels: [],
  processes: ["check"],
});

/** @param read - asked at each collection */
export function observeCheck(read: () => CheckState): void {
  const by = (value: (each: CheckState["invariants"][number]) => number) => () =>
    read().invariants.map((each) => ({ value: value(each), labels: { invariant: each.id } }));
  broken(by((each) => each.broken));
  seen(by((each) => each.seen));
  age(() => [{ value: read().ageSeconds, labels: {} }]);
}
