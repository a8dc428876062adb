import { fromJson } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { AgentsService } from "../../gen/agents/v1/agents_service_pb.ts";
import {
  GetBundleUrlResponseSchema,
  ListPersonasResponseSchema,
  PublishBundleResponseSchema,
} from "../../gen/agents/v1/agents_service_pb.ts";
import type { createListPersonas } from "../../personas/list-personas.ts";
import type { PublishBundle } from "../../personas/publish-bundle.ts";
import type { createBundleUrl } from "../../work/persona-bundle-url.ts";
import { executionScopeOf } from "./execution-scope.ts";
import { principalOf } from "./interceptors/request-context.ts";

const stored = { ignoreUnknownFields: true };

/** Personas: published by people, listed, and handed to the workers of the runs that pinned them. */
export function createAgentsService(deps: {
  readonly publishBundle: PublishBundle;
  readonly listPersonas: ReturnType<typeof createListPersonas>;
  readonly bundleUrl: ReturnType<typeof createBundleUrl>;
}): ServiceImpl<typeof AgentsService> {
  return {
    publishBundle: async ({ bundle }, context) =>
      fromJson(PublishBundleResponseSchema, await deps.publishBundle(bundle, principalOf(context)), stored),
    listPersonas: async ({ personaId }, context) =>
      fromJson(ListPersonasResponseSchema, await deps.listPersonas(principalOf(context), personaId), stored),
    getBundleUrl: async (request, context) =>
      fromJson(GetBundleUrlResponseSchema, await deps.bundleUrl(executionScopeOf(request, context), request.digest)),
  };
}
