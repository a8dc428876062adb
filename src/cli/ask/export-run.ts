import { create, toJson } from "@bufbuild/protobuf";
import type { ApiClient } from "../../client/api-client.ts";
import type { RunEvent } from "../../gen/automation/v1/run_event_pb.ts";
import { RunEventSchema } from "../../gen/automation/v1/run_event_pb.ts";
import { Disposition } from "../../gen/workflows_runtime/v1/delivery_pb.ts";
import type { Repository } from "../../gen/workflows_runtime/v1/repository_pb.ts";
import { RepositorySchema } from "../../gen/workflows_runtime/v1/repository_pb.ts";
import type { ExportedPersona, RunExport } from "../../gen/workflows_runtime/v1/run_export_pb.ts";
import { ExportedPersonaSchema, RunExportSchema } from "../../gen/workflows_runtime/v1/run_export_pb.ts";
import type { Run } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { RunSchema } from "../../gen/workflows_runtime/v1/run_pb.ts";
import { CliError } from "../cli-error.ts";
import { exportLimitBytes, exportVersion } from "../read/run-export.ts";
import { listUpTo, shortName } from "../show/output.ts";
import { fetchArtifact } from "./fetch-artifact.ts";
import { followRun } from "./follow-run.ts";

/**
 * Collects a run that has ended, and all that it takes to ask for it again, by calls that whoever may read it may make.
 * @throws CliError 1 when it has not ended, when its events are too many for an export, or when the api does not list how it was asked for
 */
export async function exportRun(api: ApiClient, runId: string, signal: AbortSignal): Promise<RunExport> {
  const { described, artifacts, events } = await collectRun(api, runId, signal);
  const run = described.run ?? create(RunSchema);
  const { id, definitionId, definitionVersion: version, profileId, profileVersion, eventId } = run;
  const [definition, profile, deliveries, repository, personas] = await Promise.all([
    api.workflows.getWorkflowVersion({
      definition: { id: definitionId, selector: { case: "version", value: version } },
    }),
    api.profiles.getProfile({ id: profileId, version: profileVersion }),
    listUpTo(Number.POSITIVE_INFINITY, async (pageSize, pageToken) => {
      const page = await api.requests.listRunRequests({
        eventId,
        disposition: Disposition.ACCEPTED,
        pageSize,
        pageToken,
      });
      return { items: page.deliveries, nextPageToken: page.nextPageToken };
    }),
    repositoryOf(api, run),
    personasOf(api, run),
  ]);
  const delivery = deliveries.items.find((each) => each.runId === id);
  if (delivery === undefined)
    throw new CliError(1, `the api does not list the delivery that run ${id} was made from; tell its operator`);
  return create(RunExportSchema, {
    version: exportVersion,
    described,
    delivery,
    definition,
    profile,
    repository,
    personas,
    artifacts,
    events,
  });
}

/** What a run was, did and left. */
export type CollectedRun = Pick<RunExport, "described" | "artifacts" | "events">;

/** @throws CliError 1 when it has not ended, or when its events are too many for an export */
export async function collectRun(
  api: ApiClient,
  runId: string,
  signal: AbortSignal,
): Promise<CollectedRun & { described: NonNullable<CollectedRun["described"]> }> {
  const described = await api.workflows.describeWorkflowRun({ runId }, { signal });
  if (described.run?.endedAt === undefined) {
    const status = shortName(toJson(RunSchema, described.run ?? create(RunSchema)).status, "RUN_STATUS_");
    const remedy = `wait for its end with \`automation run watch\`, or end it with \`automation run cancel\``;
    throw new CliError(1, `run ${runId} has not ended: it is ${status}`, { code: "not_ended", remedy });
  }
  const events = await eventsOf(api, runId, signal);
  const { artifacts } = await api.artifacts.listArtifacts({ runId }, { signal });
  return { described, artifacts, events };
}

async function eventsOf(api: ApiClient, runId: string, signal: AbortSignal): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  let size = 0;
  const onEvent = (event: RunEvent) => {
    size += Buffer.byteLength(JSON.stringify(toJson(RunEventSchema, event)));
    if (size > exportLimitBytes) {
      const remedy = "its artifact events.ndjson has them: `automation artifact get`";
      throw new CliError(1, `the events of run ${runId} are more than the 64 MiB of an export`, {
        code: "too_large",
        remedy,
      });
    }
    events.push(event);
  };
  await followRun(api, { runId, after: 0n, signal, onEvent, onReconnect: () => {} });
  return events;
}

/** @returns the repository as the run pinned it, with the policy of today's declaration */
async function repositoryOf(api: ApiClient, { pins }: Run): Promise<Repository | undefined> {
  if (pins?.repository === undefined) return undefined;
  const { id, url, ref } = pins.repository;
  const { items } = await listUpTo(Number.POSITIVE_INFINITY, async (pageSize, pageToken) => {
    const page = await api.workflows.listRepositories({ pageSize, pageToken });
    return { items: page.repositories, nextPageToken: page.nextPageToken };
  });
  const policy = items.find((each) => each.id === id)?.policy;
  return create(RepositorySchema, { id, url, defaultRef: ref, policy });
}

async function personasOf(api: ApiClient, { pins }: Run): Promise<ExportedPersona[]> {
  const digests = [...new Set(pins?.personas.map(({ digest }) => digest))].toSorted();
  return await Promise.all(
    digests.map(async (digest) => {
      const { persona, url } = await api.agents.getPersona({ digest });
      const pieces: Uint8Array[] = [];
      const { id = "", sizeBytes = 0n } = persona ?? {};
      for await (const piece of fetchArtifact(url, { name: `of persona ${id}`, sha256: digest, sizeBytes }))
        pieces.push(piece);
      return create(ExportedPersonaSchema, { digest, bundle: Buffer.concat(pieces) });
    }),
  );
}
