import { counter, gauge, histogram, secondsOfCalls } from "../instruments.ts";

/** Calls to receivers that have no final answer, by receiver and state. */
export interface HandoffBacklog {
  readonly receiver: string;
  /** DUE or STUCK. */
  readonly state: string;
  readonly count: number;
  readonly oldestSeconds: number;
}

const calls = counter({
  name: "automation.handoff.calls",
  unit: "{call}",
  description: "Calls to methodologies by their result: ACKNOWLEDGED, REFUSED, UNANSWERED, HELD_BACK (not made).",
  labels: ["receiver", "rpc", "phase", "result"],
  processes: ["api"],
});

const duration = histogram({
  name: "automation.handoff.duration.seconds",
  unit: "s",
  description: "One call to a methodology, with its wait for the receiver's turn.",
  labels: ["receiver", "rpc", "phase"],
  processes: ["api"],
  buckets: secondsOfCalls,
});

const backlog = gauge({
  name: "automation.handoff.open_calls",
  unit: "{call}",
  description: "Calls that are due, or stuck because they were refused. Every replica shows the same.",
  labels: ["receiver", "state"],
  processes: ["api"],
});

const age = gauge({
  name: "automation.handoff.oldest_age.seconds",
  unit: "s",
  description: "Age of the oldest call of a receiver that is due or stuck.",
  labels: ["receiver", "state"],
  processes: ["api"],
});

/** Measures one call. */
export async function measureHandoff<T extends { readonly state: string }>(
  { receiver, rpc, phase }: { readonly receiver: string; readonly rpc: string; readonly phase: string },
  send: () => Promise<T>,
): Promise<T> {
  const began = performance.now();
  const answer = await send();
  duration({ receiver, rpc, phase }, (performance.now() - began) / 1_000);
  calls({ receiver, rpc, phase, result: answer.state });
  return answer;
}

const states = ["DUE", "STUCK"];

/**
 * @param known - receivers that are shown when nothing is open, too
 * @param readOpen - asked at each collection
 */
export function observeHandoffs(known: readonly string[], readOpen: () => Promise<readonly HandoffBacklog[]>): void {
  const none = known.flatMap((receiver) => states.map((state) => ({ receiver, state, count: 0, oldestSeconds: 0 })));
  const read = async (): Promise<readonly HandoffBacklog[]> => {
    const open = await readOpen();
    return [
      ...none.filter((row) => !open.some((each) => each.receiver === row.receiver && each.state === row.state)),
      ...open,
    ];
  };
  backlog(async () =>
    (await read()).map(({ receiver, state, count }) => ({ value: count, labels: { receiver, state } })),
  );
  age(async () =>
    (await read()).map(({ receiver, state, oldestSeconds }) => ({ value: oldestSeconds, labels: { receiver, state } })),
  );
}
