import type { InTransaction } from "../tenancy/transaction.ts";
import { eachNamedRequestIsThere, eachRequestIsKept, noRunIsForgotten } from "./i1-nothing-lost.ts";
import { oneDecisionAtATime, oneRunPerDecision } from "./i2-one-run.ts";
import { endsAreTruthful } from "./i3-truthful-end.ts";
import { eventsAreOrdered } from "./i4-ordered-events.ts";
import { runsStayInTheirOrg } from "./i5-tenants.ts";
import { oneEffectPerKey } from "./i7-one-effect.ts";
import type { Finding, Invariant, Look } from "./invariant.ts";
import { walksOf } from "./page-store.ts";
import { placesAreHeldByRuns } from "./places.ts";
import type { Survey } from "./survey.ts";

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
 * @param deps.snapshot - runs work in a transaction that sees one moment
 * @param deps.surveys - what is looked at beside the database
 * @param wanted.since - only what came since then
 * @param wanted.signal - ends it after the page at hand
 */
export async function check(
  deps: { readonly snapshot: InTransaction; readonly surveys?: readonly Survey[] },
  wanted: { readonly since?: Date | undefined; readonly signal: AbortSignal },
): Promise<CheckReport> {
  const { signal } = wanted;
  const seen: Record<string, number> = {};
  const states = [...invariants, ...(deps.surveys ?? [])].map((claim) => ({ claim, seen: 0, broken: 0 }));
  const findings: CheckReport["findings"][number][] = [];
  const add = (state: (typeof states)[number], look: Look): void => {
    state.seen += look.seen;
    state.broken += look.findings.length;
    for (const finding of look.findings)
      if (findings.length < mostFindings) findings.push({ invariant: state.claim.id, ...finding });
  };
  for (const { over, counts, begin, next } of walksOf(wanted.since)) {
    seen[counts] = 0;
    const looking = states.flatMap((state) =>
      "look" in state.claim && state.claim.over === over ? [{ state, look: state.claim.look }] : [],
    );
    let at = begin;
    while (!signal.aborted) {
      const step = await deps.snapshot(async (transaction) => {
        const found = await next(transaction, at);
        if (found === undefined) return undefined;
        const { page } = found;
        const looks: { state: (typeof states)[number]; look: Look }[] = [];
        // one after another, so that the first error is the one that is told
        for (const { state, look } of looking) looks.push({ state, look: await look(transaction, page) });
        return { ...found, looks };
      });
      if (step === undefined) break;
      at = step.at;
      seen[counts] += step.page.ids.length;
      for (const { state, look } of step.looks) add(state, look);
    }
  }
  for (const state of states) {
    if (!("pages" in state.claim)) continue;
    const { counts, pages } = state.claim;
    seen[counts] = 0;
    for await (const look of pages(signal)) {
      seen[counts] += look.seen;
      add(state, look);
    }
  }
  return {
    isWhole: !signal.aborted,
    seen,
    invariants: states.map(({ claim: { id, claim }, ...rest }) => ({ id, claim, ...rest })),
    findings,
  };
}
