import type { InTransaction } from "../tenancy/transaction.ts";
import { eachNamedRequestIsThere, eachRequestIsKept, noRunIsForgotten } from "./i1-nothing-lost.ts";
import { oneDecisionAtATime, oneRunPerDecision } from "./i2-one-run.ts";
import { endsAreTruthful } from "./i3-truthful-end.ts";
import { eventsAreOrdered } from "./i4-ordered-events.ts";
import { runsStayInTheirOrg } from "./i5-tenants.ts";
import { oneEffectPerKey } from "./i7-one-effect.ts";
import type { Finding, Invariant } from "./invariant.ts";
import { walksSince, wholeWalks } from "./page-store.ts";
import { placesAreHeldByRuns } from "./places.ts";

export const invariants: readonly Invariant[] = [
  ...[
    eachRequestIsKept,
    eachNamedRequestIsThere,
    noRunIsForgotten,
    oneRunPerDecision,
    oneDecisionAtATime,
    endsAreTruthful,
    eventsAreOrdered,
  ],
  ...[runsStayInTheirOrg, oneEffectPerKey, placesAreHeldByRuns],
];

/** What was found of one invariant. */
export interface Checked {
  readonly id: string;
  readonly claim: string;
  /** How many rows the claim was about; 0: nothing follows from it. */
  readonly seen: number;
  readonly broken: number;
}

export interface CheckReport {
  /** Whether the whole of what was asked for was looked at, before the signal. */
  readonly isWhole: boolean;
  /** Rows that were walked through, by kind. */
  readonly seen: Readonly<Record<string, number>>;
  readonly invariants: readonly Checked[];
  /** The first hundred. */
  readonly findings: readonly (Finding & { readonly invariant: string })[];
}

const mostFindings = 100;

/**
 * Looks at everything page by page; each page is one short read-only transaction that sees one moment, so it is exact beside processes that go on.
 * @param snapshot - runs work in a transaction that sees one moment
 * @param wanted.since - only what came since then
 * @param wanted.signal - ends it after the page at hand
 */
export async function check(
  snapshot: InTransaction,
  wanted: { readonly since?: Date | undefined; readonly signal: AbortSignal },
): Promise<CheckReport> {
  const seen: Record<string, number> = {};
  const states = invariants.map((invariant) => ({ invariant, seen: 0, broken: 0 }));
  const findings: CheckReport["findings"][number][] = [];
  const walks = wanted.since === undefined ? wholeWalks : walksSince(wanted.since);
  let isWhole = true;
  for (const { over, counts, begin, next } of walks) {
    seen[counts] = 0;
    let at = begin;
    for (;;) {
      if (wanted.signal.aborted) {
        isWhole = false;
        break;
      }
      const step = await snapshot(async (transaction) => {
        const found = await next(transaction, at);
        if (found === undefined) return undefined;
        const looked = states.filter(({ invariant }) => invariant.over === over);
        const looks = await Promise.all(looked.map(({ invariant }) => invariant.look(transaction, found.page)));
        return { ...found, looked: looked.map((state, index) => ({ state, look: looks[index] })) };
      });
      if (step === undefined) break;
      at = step.at;
      seen[counts] += step.page.ids.length;
      for (const { state, look } of step.looked) {
        state.seen += look?.seen ?? 0;
        state.broken += look?.findings.length ?? 0;
        for (const finding of look?.findings ?? [])
          if (findings.length < mostFindings) findings.push({ invariant: state.invariant.id, ...finding });
      }
    }
  }
  return {
    isWhole,
    seen,
    invariants: states.map(({ invariant: { id, claim }, ...rest }) => ({ id, claim, ...rest })),
    findings,
  };
}
