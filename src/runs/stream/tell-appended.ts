import type { InRun } from "../in-run.ts";

/** Has readers of a run's stream woken after each commit that added to it. */
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
