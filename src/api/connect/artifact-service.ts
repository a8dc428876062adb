import type { ServiceImpl } from "@connectrpc/connect";
import type { createArtifactUrl } from "../../artifacts/artifact-url.ts";
import type { createListArtifacts } from "../../artifacts/list-artifacts.ts";
import type { ArtifactService } from "../../gen/workflows_runtime/v1/artifact_service_pb.ts";
import {
  GetArtifactUrlResponseSchema,
  ListArtifactsResponseSchema,
} from "../../gen/workflows_runtime/v1/artifact_service_pb.ts";
import { answerOf } from "./answer-of.ts";
import { principalOf } from "./interceptors/request-context.ts";

/** The files that runs leave behind: their list, and URLs to their bytes. */
export function createArtifactService(deps: {
  readonly listArtifacts: ReturnType<typeof createListArtifacts>;
  readonly artifactUrl: ReturnType<typeof createArtifactUrl>;
}): ServiceImpl<typeof ArtifactService> {
  return {
    listArtifacts: async ({ runId, idPrefix }, context) =>
      answerOf(ListArtifactsResponseSchema, await deps.listArtifacts(principalOf(context), runId, idPrefix)),
    getArtifactUrl: async ({ artifactId }, context) =>
      answerOf(GetArtifactUrlResponseSchema, await deps.artifactUrl(principalOf(context), artifactId)),
  };
}
