import type { ControlActivities } from "../../../src/drivers/temporal/contract.ts";
import { cutText } from "../../../src/text/strangers-text.ts";
import { maxReasonLength } from "./failures.ts";

type Verdict = Awaited<ReturnType<ControlActivities["prepareSeal"]>>["verdict"];

/** The lines that kept a verdict from passing, for people, in at most 2000 characters; the whole verdict stands in the event log. */
export function unmetLines(verdict: Verdict): string {
  const unmet = (verdict?.lines ?? []).filter((line) => line.state !== "LINE_STATE_MET");
  const told = unmet.map(({ requirementId, state, detail, remedy }) => {
    const word = state === "LINE_STATE_FAILED" ? "failed" : "missing";
    return [`${requirementId} ${word}`, detail, remedy].filter((part) => part !== undefined && part !== "").join(": ");
  });
  return cutText(`the verdict did not pass: ${told.join("; ") || "no requirement was met"}`, maxReasonLength);
}
