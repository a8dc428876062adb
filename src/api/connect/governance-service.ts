import type { ServiceImpl } from "@connectrpc/connect";
import type { GovernanceService } from "../../gen/governance/v1/governance_service_pb.ts";
import {
  GetAttestationResponseSchema,
  ListAttestationsResponseSchema,
  ListSigningKeysResponseSchema,
} from "../../gen/governance/v1/governance_service_pb.ts";
import type { createGetAttestation, createListAttestations } from "../../proof/attestations/list-attestations.ts";
import type { createListSigningKeys } from "../../proof/attestations/signing-keys.ts";
import { answerOf } from "./answer-of.ts";
import { principalOf } from "./interceptors/request-context.ts";

/** Signed evidence, to be read and checked elsewhere. */
export function createGovernanceService(deps: {
  readonly getAttestation: ReturnType<typeof createGetAttestation>;
  readonly listAttestations: ReturnType<typeof createListAttestations>;
  readonly listSigningKeys: ReturnType<typeof createListSigningKeys>;
}): ServiceImpl<typeof GovernanceService> {
  return {
    getAttestation: async (request, context) =>
      answerOf(GetAttestationResponseSchema, await deps.getAttestation(request, principalOf(context))),
    listAttestations: async (request, context) =>
      answerOf(ListAttestationsResponseSchema, await deps.listAttestations(request, principalOf(context))),
    listSigningKeys: async () => answerOf(ListSigningKeysResponseSchema, await deps.listSigningKeys()),
  };
}
