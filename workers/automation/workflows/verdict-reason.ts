import type { ControlActivities } from "../../../src/drivers/temporal/contract.ts";
import { cutText, longestReason } from "../../../src/text/strangers-text.ts";
import { unmetLines, unmetText } from "../../../src/text/unmet-lines.ts";

type Verdict = Awaited<ReturnType<ControlActivities["prepareSeal"]>>["verdict"];

/** Why a verdict did not pass, for people, in at most 2000 characters; the whole verdict is in the event log. */
export function reasonOfVerdict(verdict: Verdict = {}): string {
  const told = unmetLines(verdict.lines).map((line) =>
    [unmetText(line), line.remedy ?? ""].filter((part) => part !== "").join(": "),
  );
  return cutText(`the verdict did not pass: ${told.join("; ") || "no requirement was met"}`, longestReason);
}
