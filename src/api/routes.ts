import type { DescService } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AgentsService } from "../gen/agents/v1/agents_service_pb.ts";
import { GovernanceService } from "../gen/governance/v1/governance_service_pb.ts";
import { ProfileService } from "../gen/governance/v1/profile_service_pb.ts";
import { GraphService } from "../gen/graph/v1/graph_service_pb.ts";
import { RunWorkerService } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { WorkflowService } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Authenticator } from "../tenancy/authenticate.ts";
import type { RecordAudit } from "../tenancy/record-audit.ts";
import { createAudit } from "./interceptors/audit.ts";
import { createErrors, createToConnectError } from "./interceptors/errors.ts";
import { createGate } from "./interceptors/gate.ts";
import { assertPermissions } from "./interceptors/permission-of.ts";
import { createValidation } from "./interceptors/validation.ts";

export const services: readonly DescService[] = [
  WorkflowService,
  RunWorkerService,
  ProfileService,
  GovernanceService,
  GraphService,
  AgentsService,
];

/** Room for a bundle of 4 MiB in the base64 of JSON. */
const readMaxBytes = 6 * 1024 * 1024;
const writeMaxBytes = 32 * 1024 * 1024;
/** A stream that shall last longer sends no timeout and has none. */
const maxTimeoutMs = 3_600_000;

/**
 * The facade as one handler for Connect, gRPC and gRPC-web, each with JSON or binary messages. There is no reflection: clients bring the proto files (`buf curl --schema proto …`).
 * Order of a call: gate (authn → tenant → authz, by headers alone) → read the message → errors → audit → validation → the service.
 */
export function createHandler(deps: {
  readonly workflows: ServiceImpl<typeof WorkflowService>;
  readonly runWorker: ServiceImpl<typeof RunWorkerService>;
  readonly profiles: ServiceImpl<typeof ProfileService>;
  readonly governance: ServiceImpl<typeof GovernanceService>;
  readonly graph: ServiceImpl<typeof GraphService>;
  readonly agents: ServiceImpl<typeof AgentsService>;
  readonly authenticate: Authenticator["authenticate"];
  readonly recordAudit: RecordAudit;
  readonly onInternal: Parameters<typeof createToConnectError>[0]["onInternal"];
  readonly newId: () => string;
}) {
  assertPermissions(services);
  const toConnectError = createToConnectError(deps);
  return connectNodeAdapter({
    readMaxBytes,
    writeMaxBytes,
    maxTimeoutMs,
    requestGate: createGate({ ...deps, toConnectError }),
    interceptors: [createErrors(toConnectError), createAudit(deps), createValidation()],
    routes: (router) => {
      router.service(WorkflowService, deps.workflows);
      router.service(RunWorkerService, deps.runWorker);
      router.service(ProfileService, deps.profiles);
      router.service(GovernanceService, deps.governance);
      router.service(GraphService, deps.graph);
      router.service(AgentsService, deps.agents);
    },
    fallback: (_, response) => {
      response.writeHead(404, { "content-type": "application/json" });
      response.end('{"code":"unimplemented","message":"there is no such method; see the proto files"}\n');
    },
  });
}
