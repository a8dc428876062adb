import { toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Command } from "commander";
import { Argument, Option } from "commander";
import type { ApiClient } from "../../client/api-client.ts";
import { ReasonSchema } from "../../gen/automation/v1/run_event_pb.ts";
import type { RequestDelivery } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import { Disposition } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import type { ReplayRunRequestResponse } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import { ReplayRunRequestResponseSchema } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import { withApi } from "../ask/call-api.ts";
import { namedRequest } from "../ask/named-request.ts";
import type { ScopeOptions } from "../ask/scope.ts";
import { withScope } from "../ask/scope.ts";
import { CliError } from "../cli-error.ts";
import { printMessage } from "../show/output.ts";
import { replayCounts, replayLine } from "../show/replay-lines.ts";
import { print } from "../show/terminal.ts";
import { asTyped, defineNamed } from "../usage/as-typed.ts";
import { sinceTime, wholeNumber } from "../usage/options.ts";

/** Dispositions of requests that made no run. */
const replayed = ["filtered", "rejected", "quarantined"] as const;

interface Filter {
  readonly disposition?: (typeof replayed)[number];
  readonly reason?: string;
  readonly since?: number;
  readonly limit: number;
}

/** `automation request replay`: decides once more about requests that made no run. */
export function defineReplay(request: Command): void {
  const command = request
    .command("replay")
    .description("decide once more about requests that made no run, as if they came now; oldest first")
    .addArgument(new Argument("[id]", "id of the event, or of the request; without one, the options say which"))
    .option("--source <uri>", "source of the event, when several used the id")
    .addOption(new Option("--disposition <disposition>", "requests that were decided so").choices(replayed))
    .option("--reason <code>", "requests with this reason, such as unknown_definition")
    .addOption(
      new Option("--since <time>", "requests that came since then: 10m, 2h, 1d ago, or a time").argParser(
        sinceTime(Date.now),
      ),
    )
    .addOption(
      new Option("--limit <n>", "at most this many, the newest ones").default(1_000).argParser(wholeNumber(1, 100_000)),
    )
    .option("--dry-run", "tell what would be decided, and change nothing");
  withScope(command).action(
    (
      id: string | undefined,
      { dryRun = false, source, ...options }: ScopeOptions & Filter & { source?: string; dryRun?: boolean },
      own: Command,
    ) => {
      const { disposition, reason, since } = options;
      const isFiltered = disposition !== undefined || reason !== undefined || since !== undefined;
      if ((id === undefined) !== isFiltered)
        throw new CliError(
          2,
          id === undefined
            ? "nothing says which requests: name one by its id, or several by --disposition, --reason or --since"
            : `the id "${id}" names one request, and --disposition, --reason and --since several: give one or the other`,
        );
      return withApi(options, "operator", async (api, { json }) => {
        const tell = async (done: ReplayRunRequestResponse): Promise<void> => {
          if (json) return printMessage(ReplayRunRequestResponseSchema, done);
          const told = toJson(ReplayRunRequestResponseSchema, done);
          await defineNamed(JSON.stringify(told), own);
          print(asTyped(replayLine(told, dryRun), own));
        };
        if (id !== undefined)
          return await tell(
            await namedRequest(id, source, (named) => api.requests.replayRunRequest({ ...named, dryRun })),
          );
        const done: ReplayRunRequestResponse[] = [];
        for (const requestId of await requestsOf(api, options)) {
          const answer = await replayUnlessRun(api, requestId, dryRun);
          if (answer === undefined) continue;
          done.push(answer);
          await tell(answer);
        }
        if (!json)
          print(
            replayCounts(
              done.map((each) => toJson(ReplayRunRequestResponseSchema, each)),
              dryRun,
            ),
          );
      });
    },
  );
}

/** @returns ids of the requests that match, one for each event, oldest first */
async function requestsOf(api: ApiClient, { disposition, reason, since, limit }: Filter): Promise<string[]> {
  const found: RequestDelivery[] = [];
  for (const name of disposition === undefined ? replayed : [disposition]) {
    const wanted = Disposition[name.toUpperCase() as Uppercase<typeof name>];
    for (let pageToken = "", left = limit; left > 0; ) {
      const page = await api.requests.listRunRequests({ disposition: wanted, pageSize: 200, pageToken });
      const young = page.deliveries.filter((each) => since === undefined || receivedMs(each) >= since);
      const matching = young.filter(
        (each) =>
          each.requestId !== "" &&
          !each.source.startsWith("api:") && // calls got their answer
          (reason === undefined || each.reasons.some(({ code }) => code === reason)),
      );
      found.push(...matching.slice(0, left));
      left -= matching.length;
      pageToken = page.nextPageToken;
      if (pageToken === "" || young.length < page.deliveries.length) break;
    }
  }
  const newest = found.toSorted((left, right) => receivedMs(right) - receivedMs(left)).slice(0, limit);
  const events = new Map(newest.map((each) => [JSON.stringify([each.source, each.eventId]), each.requestId]));
  return [...events.values()].toReversed();
}

const receivedMs = ({ receivedAt }: RequestDelivery): number => Number(receivedAt?.seconds ?? 0n) * 1_000;

/** @returns undefined when the request has a run meanwhile, or another call decided about it at the same time */
async function replayUnlessRun(
  api: ApiClient,
  requestId: string,
  dryRun: boolean,
): Promise<ReplayRunRequestResponse | undefined> {
  try {
    return await api.requests.replayRunRequest({ requestId, dryRun });
  } catch (error) {
    const refused = ConnectError.from(error);
    const codes = refused.findDetails(ReasonSchema).map(({ code }) => code);
    if (refused.code === Code.FailedPrecondition && codes.some((code) => /^(has_run|decided_meanwhile)$/.test(code)))
      return undefined;
    throw error;
  }
}
