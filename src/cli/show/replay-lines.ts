import type { ReplayRunRequestResponseJson } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import { reasonText } from "./event-lines.ts";
import { plain, shortName } from "./output.ts";

/** @returns what a replay came to, on one line */
export function replayLine(replay: ReplayRunRequestResponseJson, isDry: boolean): string {
  const { before = {}, now = {}, definitionId, definitionVersion } = replay;
  const run = now.runId ? `, run ${now.runId}` : "";
  const what = definitionId === undefined ? "" : `: ${definitionId}@${definitionVersion}${run}`;
  const why = (now.reasons ?? []).map((reason) => `; ${reasonText(reason)}`).join("");
  return plain(`${before.eventId} of ${before.source}: ${resultOf(replay, isDry)}${what}${why}`);
}

/** @returns how many replays came to what, on one line */
export function replayCounts(replays: readonly ReplayRunRequestResponseJson[], isDry: boolean): string {
  const results = Map.groupBy(replays, (replay) => resultOf(replay, isDry));
  const counts = [...results].map(([result, { length }]) => `${length} ${result}`).toSorted();
  return `${replays.length} ${replays.length === 1 ? "request" : "requests"}${counts.length === 0 ? "" : ": "}${counts.join(", ")}`;
}

function resultOf({ before = {}, now = {}, recorded = false }: ReplayRunRequestResponseJson, isDry: boolean): string {
  const [was, is] = [before, now].map(({ disposition }) => shortName(disposition, "DISPOSITION_").toLowerCase());
  if (isDry) return `${was}, would be ${is}`;
  return recorded ? `${was}, now ${is}` : `${was} as before`;
}
