import { toJson } from "@bufbuild/protobuf";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ApiClient } from "../../client/api-client.ts";
import { createApiClient } from "../../client/api-client.ts";
import { ReasonSchema } from "../../gen/automation/v1/run_event_pb.ts";
import { CliError } from "../cli-error.ts";
import { toCliError } from "../report-failure.ts";
import type { Role, Scope, ScopeOptions } from "./scope.ts";
import { resolveScope } from "./scope.ts";
import { elsewhereThanApi } from "./wrong-address.ts";

/** A token of the local stack is valid for an hour; longer commands get a new one. */
const tokenLifeMs = 30 * 60_000;

/**
 * Calls the api in the scope that the options name.
 * @param role - what a token minted by the local stack may do
 * @throws CliError that explains every reason the api gave
 */
export async function withApi<T>(
  options: ScopeOptions,
  role: Role,
  work: (api: ApiClient, scope: Scope) => Promise<T>,
): Promise<T> {
  const scope = await resolveScope(options, role);
  const token = keepToken(async () => (await resolveScope(options, role)).token, scope.token);
  try {
    return await work(createApiClient({ apiUrl: scope.apiUrl, token, tenant: scope.tenant, org: scope.org }), scope);
  } catch (error) {
    throw explain(error, scope.apiUrl);
  }
}

/** @returns a function that returns the token, and replaces it before it expires */
export function keepToken(make: () => Promise<string>, first?: string): () => Promise<string> {
  let token = first;
  let renewAt = performance.now() + tokenLifeMs;
  return async () => {
    if (token === undefined || performance.now() >= renewAt) {
      token = await make();
      renewAt = performance.now() + tokenLifeMs;
    }
    return token;
  };
}

/** Explains an error of the api, or of the connection to it: field, value, rule and remedy of each reason. */
export function explain(error: unknown, apiUrl: string): unknown {
  if (!(error instanceof ConnectError)) return error;
  const elsewhere = elsewhereThanApi(error, apiUrl);
  if (elsewhere !== undefined) return elsewhere;
  const reasons = error.findDetails(ReasonSchema).map((reason) => {
    const { value, ...rest } = toJson(ReasonSchema, reason);
    return { ...rest, ...(value ? { value: JSON.stringify(value) } : {}) };
  });
  const violations = error
    .findDetails(ViolationsSchema)
    .flatMap((details) => details.violations)
    .map(({ field, message }) => {
      const path = field?.elements.map((element) => element.fieldName).join(".");
      return { field: path ?? "request", rule: message };
    });
  const details = [...reasons, ...violations];
  if (details.length === 0) return error;
  const { code } = toCliError(error);
  const exitCode = error.code === Code.InvalidArgument ? 2 : 1;
  return new CliError(exitCode, error.rawMessage, { code, details, cause: error });
}
