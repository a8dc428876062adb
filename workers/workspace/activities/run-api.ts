import type { ApiClient } from "../../../src/client/api-client.ts";
import type { RunScope } from "../../../src/drivers/temporal/contract.ts";

/** The api, as far as work needs it. */
export type RunApi = Pick<ApiClient, "runWorker" | "workflows" | "agents">;

/** The api as one tenant and org see it. */
export type RunApiFor = (scope: Pick<RunScope, "tenant" | "org">) => RunApi;
