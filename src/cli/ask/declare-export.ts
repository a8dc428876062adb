import { clone, create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ApiClient } from "../../client/api-client.ts";
import type { RunRequested } from "../../gen/automation/v1/run_requested_pb.ts";
import {
  DefinitionRefSchema,
  ProfileRefSchema,
  RepositoryRefSchema,
} from "../../gen/automation/v1/run_requested_pb.ts";
import type { Profile } from "../../gen/governance/v1/profile_pb.ts";
import { ProfileSchema } from "../../gen/governance/v1/profile_pb.ts";
import type { RunExport } from "../../gen/workflows_runtime/v1/run_export_pb.ts";
import type { Applied, Outcome } from "../read/declarations.ts";

/**
 * Declares in a scratch tenant what an exported run was made of: repository, personas, definition and profile, in this order.
 * @throws ConnectError for an answer that is neither a success nor a conflict
 */
export async function* declareExport(
  api: ApiClient,
  { repository, personas, definition, profile, described }: RunExport,
  { file, signal }: { readonly file: string; readonly signal: AbortSignal },
): AsyncGenerator<Applied, void> {
  if (repository !== undefined) {
    await api.workflows.putRepository({ repository }, { signal });
    yield { kind: "Repository", name: repository.id, file, outcome: "replaced" };
  }
  for (const { digest, bundle } of personas) {
    const pinned = described?.run?.pins?.personas.find((persona) => persona.digest === digest);
    const name = `${pinned?.id}@${pinned?.version}`;
    yield { kind: "Persona", name, file, outcome: await outcomeOf(api.agents.publishBundle({ bundle }, { signal })) };
  }
  if (definition !== undefined) {
    const { definitionId, version, plan } = definition;
    const published = api.workflows.publishWorkflowVersion({ definitionId, version, plan }, { signal });
    yield { kind: "WorkflowDefinition", name: `${definitionId}@${version}`, file, outcome: await outcomeOf(published) };
  }
  if (profile?.profile !== undefined) {
    const published = api.profiles.publishProfile({ profile: withoutHandoff(profile.profile) }, { signal });
    const name = `${profile.profile.id}@${profile.profile.version}`;
    yield { kind: "MethodologyProfile", name, file, outcome: await outcomeOf(published) };
  }
}

async function outcomeOf(published: Promise<{ readonly created: boolean }>): Promise<Outcome> {
  try {
    return (await published).created ? "created" : "unchanged";
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.AlreadyExists) return "conflict";
    throw error;
  }
}

/** A run that is only tried must not speak to the methodology's service: nobody there asked for it. */
export function withoutHandoff(profile: Profile): Profile {
  const { handoff: _, ...others } = clone(ProfileSchema, profile);
  return create(ProfileSchema, others);
}

/** @returns the exported request with the versions and the commit that the run worked with, and without its deadline */
export function requestAgain({ described }: RunExport): RunRequested | undefined {
  const { run, request } = described ?? {};
  if (run === undefined || request === undefined) return undefined;
  const pinned = run.pins?.repository;
  return {
    ...request,
    definition: create(DefinitionRefSchema, {
      id: run.definitionId,
      selector: { case: "version", value: run.definitionVersion },
    }),
    profile: create(ProfileRefSchema, { id: run.profileId, version: run.profileVersion }),
    deadline: undefined,
    repository:
      pinned === undefined
        ? undefined
        : create(RepositoryRefSchema, { id: pinned.id, ref: run.baseCommit === "" ? pinned.ref : run.baseCommit }),
  };
}
