import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext, MethodImpl, ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AgentsService } from "../../gen/agents/v1/agents_service_pb.ts";
import { GovernanceService } from "../../gen/governance/v1/governance_service_pb.ts";
import { ProfileService } from "../../gen/governance/v1/profile_service_pb.ts";
import { GraphService } from "../../gen/graph/v1/graph_service_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ArtifactService } from "../../gen/workflows_runtime/v1/artifact_service_pb.ts";
import { RequestService } from "../../gen/workflows_runtime/v1/request_service_pb.ts";
import { RunWorkerService } from "../../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { WorkflowService } from "../../gen/workflows_runtime/v1/workflow_service_pb.ts";
import type { Authenticator } from "../../tenancy/authenticate.ts";
import type { RecordAudit } from "../../tenancy/record-audit.ts";
import { createAnswerUnserved } from "../http/unserved.ts";
import { createAudit } from "./interceptors/audit.ts";
import { createAuthorizeCall } from "./interceptors/authorize-call.ts";
import { assertReadableQuery, boundErrors } from "./interceptors/bad-messages.ts";
import { createEndCalls } from "./interceptors/end-calls.ts";
import { createErrors, createToConnectError } from "./interceptors/errors.ts";
import { assertPermissions } from "./interceptors/permission-of.ts";
import { traceCall } from "./interceptors/trace-call.ts";
import { createValidation } from "./interceptors/validation.ts";
import { createJsonReading } from "./json-reading.ts";
import { createReflection, reflectionMethods } from "./reflection-service.ts";

/** Services that need a token. */
export const services: readonly DescService[] = [
  WorkflowService,
  RequestService,
  ArtifactService,
  RunWorkerService,
  ProfileService,
  GovernanceService,
  GraphService,
  AgentsService,
];

/** Room for a bundle of 4 MiB in the base64 of JSON. */
const readMaxBytes = 6 * 1024 * 1024;
const writeMaxBytes = 32 * 1024 * 1024;
/** Longer streams send no timeout and have none. */
const maxTimeoutMs = 3_600_000;

/**
 * The api as one handler for Connect, gRPC and gRPC-web, each with JSON or binary messages.
 * Order of a call: authorize (authn → tenant → authz, by headers alone) → read the message → trace → errors → end of the process → audit → validation → the service.
 * Health and reflection need no token.
 */
export function createHandler(deps: {
  readonly workflows: ServiceImpl<typeof WorkflowService>;
  readonly requests: ServiceImpl<typeof RequestService>;
  readonly artifacts: ServiceImpl<typeof ArtifactService>;
  readonly runWorker: ServiceImpl<typeof RunWorkerService>;
  readonly profiles: ServiceImpl<typeof ProfileService>;
  readonly governance: ServiceImpl<typeof GovernanceService>;
  readonly graph: ServiceImpl<typeof GraphService>;
  readonly agents: ServiceImpl<typeof AgentsService>;
  readonly health: ServiceImpl<typeof Health>;
  readonly reflection: boolean;
  readonly authenticate: Authenticator["authenticate"];
  readonly recordAudit: RecordAudit;
  readonly onInternal: Parameters<typeof createToConnectError>[0]["onInternal"];
  readonly newId: () => string;
  /** Ends calls that still run. */
  readonly overdue: AbortSignal;
}): ReturnType<typeof connectNodeAdapter> {
  assertPermissions(services);
  const toConnectError = createToConnectError(deps);
  const authorizeCall = createAuthorizeCall({ ...deps, toConnectError });
  const told = [...services, Health, ...(deps.reflection ? [ServerReflection] : [])];
  const reflected = deps.reflection ? reflectionMethods : [];
  const answerUnserved = createAnswerUnserved([...told.flatMap((service) => service.methods), ...reflected]);
  const answerServed = connectNodeAdapter({
    readMaxBytes,
    writeMaxBytes,
    maxTimeoutMs,
    requestGate: async (context) => {
      boundErrors(context);
      await authorizeCall(context);
      assertReadableQuery(context);
    },
    interceptors: [
      traceCall,
      createErrors(toConnectError),
      createEndCalls(deps.overdue),
      createAudit(deps),
      createValidation(),
    ],
    routes: (router) => {
      serve(router, WorkflowService, deps.workflows);
      serve(router, RequestService, deps.requests);
      serve(router, ArtifactService, deps.artifacts);
      serve(router, RunWorkerService, deps.runWorker);
      serve(router, ProfileService, deps.profiles);
      serve(router, GovernanceService, deps.governance);
      serve(router, GraphService, deps.graph);
      serve(router, AgentsService, deps.agents);
      serve(router, Health, deps.health, open);
      for (const method of reflected) router.rpc(method, createReflection(told), open);
    },
  });
  return (request, response) => {
    if (!answerUnserved(request, response)) answerServed(request, response);
  };
}

/** For methods that anybody may call. */
const open = { requestGate: async (context: HandlerContext) => boundErrors(context), interceptors: [] };

function serve<S extends DescService>(
  router: ConnectRouter,
  service: S,
  implementation: ServiceImpl<S>,
  how = {},
): void {
  for (const method of service.methods as DescMethod[]) {
    const implemented = implementation[method.localName as keyof ServiceImpl<S>] as MethodImpl<DescMethod>;
    router.rpc(method, implemented, { ...how, jsonOptions: createJsonReading(method.input) });
  }
}
