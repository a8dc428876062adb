import type { CheckReport } from "../../check/check.ts";
import type { ExitCode } from "../cli-error.ts";
import { tableLines } from "./output.ts";

/** What a check saw and found, for people. */
export function checkLines({
  seen,
  invariants,
  findings,
  leftOut,
}: CheckReport & { readonly leftOut: readonly string[] }): string[] {
  const found = findings.map(({ invariant, tenant, id, what }) => `${invariant} ${tenant} ${id} ${what}`);
  const broken = invariants.reduce((sum, each) => sum + each.broken, 0);
  return [
    ...tableLines(invariants, [
      { title: "INVARIANT", of: ({ id }) => id },
      { title: "CLAIM", of: ({ claim }) => claim },
      { title: "SEEN", of: (each) => each.seen },
      { title: "BROKEN", of: (each) => each.broken },
      {
        title: "SO",
        of: (each) =>
          each.broken > 0 ? "it is broken" : each.seen > 0 ? "it holds" : "nothing follows: none was seen",
      },
    ]),
    `walked through ${Object.entries(seen)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ")}`,
    ...leftOut.map((what) => `not looked at: ${what}`),
    ...found,
    ...(broken > found.length ? [`and ${broken - found.length} more`] : []),
  ];
}

/** A round of a watch in one line, and what it found. */
export function watchLines(report: CheckReport): string[] {
  const seen = Object.entries(report.seen).map(([name, count]) => `${count} ${name}`);
  const fault = faultOfReport(report)?.text ?? "all holds";
  return [
    `${new Date().toISOString()} ${fault}; walked through ${seen.join(", ")}`,
    ...report.findings.map(({ invariant, tenant, id, what }) => `${invariant} ${tenant} ${id} ${what}`),
  ];
}

/** @returns why the command fails, undefined when all holds */
export function faultOfReport({
  isWhole,
  seen,
  invariants,
}: CheckReport):
  | { readonly exitCode: ExitCode; readonly text: string; readonly code: string; readonly remedy: string }
  | undefined {
  const broken = invariants.filter((each) => each.broken > 0);
  const names = [...new Set(broken.map(({ id }) => id))].join(", ");
  if (broken.length > 0)
    return {
      exitCode: 1,
      text: `what must always be true is not: ${names}`,
      code: "invariant_broken",
      remedy: "docs/operating/check.md says what to do about each",
    };
  if (!isWhole)
    return {
      exitCode: 3,
      text: "it ended before it had seen everything",
      code: "not_whole",
      remedy: "give it more time by --time-limit, or less to look at by --since",
    };
  if (Object.values(seen).some((count) => count > 0)) return undefined;
  return {
    exitCode: 1,
    text: "it saw nothing, so it proves nothing",
    code: "nothing_seen",
    remedy: "look whether it reads the right database, and whether --since is long enough ago",
  };
}
