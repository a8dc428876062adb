import type { ServiceImpl } from "@connectrpc/connect";
import type { AgentsService } from "../../gen/agents/v1/agents_service_pb.ts";
import {
  GetBundleUrlResponseSchema,
  GetPersonaResponseSchema,
  ListPersonasResponseSchema,
  PublishBundleResponseSchema,
} from "../../gen/agents/v1/agents_service_pb.ts";
import type { createGetPersona } from "../../personas/get-persona.ts";
import type { createListPersonas } from "../../personas/list-personas.ts";
import type { PublishBundle } from "../../personas/publish-bundle.ts";
import type { createBundleUrl } from "../../work/persona-bundle-url.ts";
import { answerOf } from "./answer-of.ts";
import { executionScopeOf } from "./execution-scope.ts";
import { principalOf } from "./interceptors/request-context.ts";

/** Personas: published by people, listed, and handed to the workers of the runs that pinned them. */
export function createAgentsService(deps: {
  readonly publishBundle: PublishBundle;
  readonly listPersonas: ReturnType<typeof createListPersonas>;
  readonly getPersona: ReturnType<typeof createGetPersona>;
  readonly bundleUrl: ReturnType<typeof createBundleUrl>;
}): ServiceImpl<typeof AgentsService> {
  return {
    publishBundle: async ({ bundle }, context) =>
      answerOf(PublishBundleResponseSchema, await deps.publishBundle(bundle, principalOf(context))),
    listPersonas: async ({ personaId }, context) =>
      answerOf(ListPersonasResponseSchema, await deps.listPersonas(principalOf(context), personaId)),
    getPersona: async ({ digest }, context) =>
      answerOf(GetPersonaResponseSchema, await deps.getPersona(principalOf(context), digest)),
    getBundleUrl: async (request, context) =>
      answerOf(GetBundleUrlResponseSchema, await deps.bundleUrl(executionScopeOf(request, context), request.digest)),
  };
}
