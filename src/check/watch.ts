import type { CheckReport } from "./check.ts";

/** How far each round reaches back behind the one before it: what was under way then is looked at again. */
const overlapMs = 3_600_000;
const wholeEveryMs = 24 * 3_600_000;

/** What rounds found so far, by invariant. */
export interface Standing {
  readonly invariants: readonly { readonly id: string; readonly seen: number; readonly broken: number }[];
  readonly endedAt: Date;
}

/**
 * Which rounds a watch makes: the first looks at everything, and so does one a day, and every one while anything is broken; the others look at what came since the round before.
 * So what is new is seen within a round, and what is damaged later within a day.
 */
export function createWatch(startedAt: Date) {
  let whole: { readonly report: CheckReport; readonly at: Date } | undefined;
  let newest: { readonly report: CheckReport; readonly at: Date } | undefined;
  let endedAt = startedAt;
  const brokenOf = (report: CheckReport | undefined): number =>
    report?.invariants.reduce((sum, { broken }) => sum + broken, 0) ?? 0;
  return {
    /** @returns since when the next round looks; undefined: at everything */
    nextSince(now: Date): Date | undefined {
      const isDue = whole === undefined || now.getTime() - whole.at.getTime() >= wholeEveryMs;
      if (isDue || brokenOf(whole?.report) + brokenOf(newest?.report) > 0) return undefined;
      return new Date(((newest ?? whole)?.at ?? now).getTime() - overlapMs);
    },
    /** @param at - when the round began */
    ended(report: CheckReport, since: Date | undefined, at: Date, now: Date): void {
      if (!report.isWhole) return;
      if (since === undefined) [whole, newest] = [{ report, at }, undefined];
      else newest = { report, at };
      endedAt = now;
    },
    standing(): Standing {
      const reports = [whole?.report, newest?.report].filter((report) => report !== undefined);
      const ids = new Set(reports.flatMap(({ invariants }) => invariants.map(({ id }) => id)));
      const sum = (report: CheckReport | undefined, id: string, of: "seen" | "broken") =>
        report?.invariants.reduce((total, each) => total + (each.id === id ? each[of] : 0), 0) ?? 0;
      return {
        invariants: [...ids].map((id) => ({
          id,
          seen: sum(whole?.report, id, "seen"),
          broken: Math.max(...reports.map((report) => sum(report, id, "broken"))),
        })),
        endedAt,
      };
    },
  };
}
