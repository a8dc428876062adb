import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createArtifactService } from "../../../src/api/connect/artifact-service.ts";
import { createGovernanceService } from "../../../src/api/connect/governance-service.ts";
import { requestContextKey } from "../../../src/api/connect/interceptors/request-context.ts";
import { createArtifactUrl } from "../../../src/artifacts/artifact-url.ts";
import { createListArtifacts } from "../../../src/artifacts/list-artifacts.ts";
import { exportAttestations } from "../../../src/cli/ask/export-attestations.ts";
import type { ApiClient } from "../../../src/client/api-client.ts";
import { GovernanceService } from "../../../src/gen/governance/v1/governance_service_pb.ts";
import { ArtifactService } from "../../../src/gen/workflows_runtime/v1/artifact_service_pb.ts";
import { createGetAttestation, createListAttestations } from "../../../src/proof/attestations/list-attestations.ts";
import { createListSigningKeys } from "../../../src/proof/attestations/signing-keys.ts";
import type { SealScope } from "../../../src/seal/run-so-far.ts";
import { scopeOf } from "../builders/declared.ts";
import type { Sealing } from "../worlds/sealing.ts";

/** `automation attestation export`, over the services themselves instead of a wire. */
export async function exportRun(sealing: Sealing, dir: string, { tenant, runId }: SealScope): Promise<void> {
  const asAuditor: Interceptor = (next) => (request) => {
    const principal = { ...scopeOf(tenant), subject: "auditor", roles: ["viewer"] };
    request.contextValues.set(requestContextKey, { principal, expiresAt: new Date(Date.now() + 60_000) });
    return next(request);
  };
  const routes = (router: ConnectRouter) => {
    const governance = createGovernanceService({
      getAttestation: createGetAttestation(sealing),
      listAttestations: createListAttestations(sealing),
      listSigningKeys: createListSigningKeys(sealing),
    });
    router.service(GovernanceService, governance);
    const artifacts = createArtifactService({
      listArtifacts: createListArtifacts(sealing),
      artifactUrl: createArtifactUrl({ ...sealing, urlFor: sealing.s3.urlFor }),
    });
    router.service(ArtifactService, artifacts);
  };
  const transport = createRouterTransport(routes, { router: { interceptors: [asAuditor] } });
  const api = {
    governance: createClient(GovernanceService, transport),
    artifacts: createClient(ArtifactService, transport),
  } as ApiClient;
  for await (const _ of exportAttestations(api, runId, dir));
}
