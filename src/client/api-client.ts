import type { Client, Interceptor } from "@connectrpc/connect";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AgentsService } from "../gen/agents/v1/agents_service_pb.ts";
import { GovernanceService } from "../gen/governance/v1/governance_service_pb.ts";
import { ProfileService } from "../gen/governance/v1/profile_service_pb.ts";
import { GraphService } from "../gen/graph/v1/graph_service_pb.ts";
import { ArtifactService } from "../gen/workflows_runtime/v1/artifact_service_pb.ts";
import { RequestService } from "../gen/workflows_runtime/v1/request_service_pb.ts";
import { RunWorkerService } from "../gen/workflows_runtime/v1/run_worker_service_pb.ts";
import { WorkflowService } from "../gen/workflows_runtime/v1/workflow_service_pb.ts";

export interface ApiClientOptions {
  readonly apiUrl: string;
  /** Asked before every call, so that a renewed token is used at once. */
  readonly token: () => string | Promise<string>;
  readonly tenant: string;
  readonly org: string;
  /** Trace context of the moment, which calls carry on. */
  readonly trace?: () => { readonly traceparent?: string; readonly tracestate?: string };
  /** Timeout of a call that names none, in milliseconds; 10,000 by default. Streams name their own. */
  readonly timeoutMs?: number;
}

/** One client per service of the api, all for one tenant and org. */
export interface ApiClient {
  readonly workflows: Client<typeof WorkflowService>;
  readonly requests: Client<typeof RequestService>;
  readonly artifacts: Client<typeof ArtifactService>;
  readonly runWorker: Client<typeof RunWorkerService>;
  readonly profiles: Client<typeof ProfileService>;
  readonly governance: Client<typeof GovernanceService>;
  readonly graph: Client<typeof GraphService>;
  readonly agents: Client<typeof AgentsService>;
}

/** Connect over HTTP/1.1 with JSON: unlike HTTP/2, no session hangs when the server restarts. */
export function createApiClient(options: ApiClientOptions): ApiClient {
  const { apiUrl, token, tenant, org, timeoutMs = 10_000 } = options;
  const speakFor: Interceptor = (next) => async (request) => {
    request.header.set("authorization", `Bearer ${await token()}`);
    request.header.set("x-tenant-id", tenant);
    request.header.set("x-scope-orgid", org);
    for (const [name, value] of Object.entries(options.trace?.() ?? {})) request.header.set(name, value);
    return next(request).catch((error) => Promise.reject(asUnavailable(error)));
  };
  const transport = createConnectTransport({
    baseUrl: apiUrl,
    httpVersion: "1.1",
    useBinaryFormat: false,
    defaultTimeoutMs: timeoutMs,
    interceptors: [speakFor],
  });
  return {
    workflows: createClient(WorkflowService, transport),
    requests: createClient(RequestService, transport),
    artifacts: createClient(ArtifactService, transport),
    runWorker: createClient(RunWorkerService, transport),
    profiles: createClient(ProfileService, transport),
    governance: createClient(GovernanceService, transport),
    graph: createClient(GraphService, transport),
    agents: createClient(AgentsService, transport),
  };
}

/** A connection that broke before the answer came is told like one that was never made. Connect calls it `aborted`, which the api means otherwise. */
function asUnavailable(error: unknown): unknown {
  const { code, cause, rawMessage } = ConnectError.from(error);
  const isBroken = code === Code.Aborted && cause !== undefined;
  return isBroken ? new ConnectError(rawMessage, Code.Unavailable, undefined, undefined, cause) : error;
}
