import { toJson } from "@bufbuild/protobuf";
import type { ApiClient } from "../../client/api-client.ts";
import { RunEventSchema, RunStatus } from "../../gen/automation/v1/run_event_pb.ts";
import { followRun } from "../ask/follow-run.ts";
import { untilInterrupted } from "../interrupt.ts";
import { createEventTeller } from "../show/event-lines.ts";
import { jsonText, print, printError, tint } from "../show/terminal.ts";

/** Prints the events of a run until its end. Exit code 1 unless it is COMPLETED. */
export async function watchRun(api: ApiClient, runId: string, after: bigint, json: boolean): Promise<void> {
  const end = await untilInterrupted((signal) => tellRun(api, { runId, after, json, signal }));
  if (end !== undefined && end !== RunStatus.COMPLETED) process.exitCode = 1;
}

/** Prints the events of a run. @returns its end */
export async function tellRun(
  api: ApiClient,
  how: { readonly runId: string; readonly after: bigint; readonly json: boolean; readonly signal: AbortSignal },
): Promise<RunStatus> {
  const { runId, after, json, signal } = how;
  const tell = createEventTeller();
  return await followRun(api, {
    runId,
    after,
    signal,
    onEvent: (message) => {
      const event = toJson(RunEventSchema, message);
      if (json) return print(jsonText(event));
      const [first = "", ...more] = tell(event);
      const time = event.at === undefined ? "" : new Date(event.at).toISOString().slice(11, 23);
      print(`${tint("dim", `${(event.sequence ?? "").padStart(3)}  ${time}`)}  ${first}`);
      for (const line of more) print(`${" ".repeat(19)}${line}`);
    },
    onReconnect: (last, why) => printError(`connection lost after event ${last} (${why}); going on from there`),
  });
}
