import type { VerdictLineJson } from "../../gen/automation/v1/verdict_pb.ts";
import { shownText } from "../../text/strangers-text.ts";

/** Shown of each requirement; the rest is counted. */
const mostShown = 10;
const mostCharacters = 300;

/**
 * A line of the verdict about one requirement.
 * @param faults - none: the line is met
 */
export function lineOf(
  requirementId: string,
  faults: readonly string[],
  { met, remedy }: { readonly met: string; readonly remedy: string },
): VerdictLineJson {
  if (faults.length === 0) return { requirementId, state: "LINE_STATE_MET", detail: met };
  const more = faults.length - mostShown;
  const shown = faults.slice(0, mostShown).map((fault) => shownText(fault, mostCharacters));
  const detail = `${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  return { requirementId, state: "LINE_STATE_FAILED", detail, remedy };
}
