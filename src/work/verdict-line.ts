import type { VerdictLineJson } from "../gen/automation/v1/verdict_pb.ts";
import { shownText } from "../text/strangers-text.ts";

/** Shown of each requirement; the rest is counted. */
const mostShown = 10;
const mostCharacters = 300;

export function metLine(requirementId: string, detail: string): VerdictLineJson {
  return { requirementId, state: "LINE_STATE_MET", detail };
}

/** There is too little to judge by. */
export function missingLine(requirementId: string, detail: string, remedy: string): VerdictLineJson {
  return { requirementId, state: "LINE_STATE_MISSING", detail, remedy };
}

/** @param faults - at least one; the first ten are shown, cut and cleaned */
export function failedLine(requirementId: string, faults: readonly string[], remedy: string): VerdictLineJson {
  const more = faults.length - mostShown;
  const shown = faults.slice(0, mostShown).map((fault) => shownText(fault, mostCharacters));
  const detail = `${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  return { requirementId, state: "LINE_STATE_FAILED", detail, remedy };
}

/** A line that is met when nothing is wrong. @param met - its detail then */
export function lineOf(
  requirementId: string,
  faults: readonly string[],
  { met, remedy }: { readonly met: string; readonly remedy: string },
): VerdictLineJson {
  return faults.length === 0 ? metLine(requirementId, met) : failedLine(requirementId, faults, remedy);
}
