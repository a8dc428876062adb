import { toJson } from "@bufbuild/protobuf";
import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ApiClient } from "../client/api-client.ts";
import { createApiClient } from "../client/api-client.ts";
import { ReasonSchema } from "../gen/automation/v1/run_event_pb.ts";
import { CliError } from "./cli-error.ts";
import { reasonText } from "./event-lines.ts";
import type { Role } from "./local-state.ts";
import { endWithReader, plain } from "./output.ts";
import type { Scope, ScopeOptions } from "./scope.ts";
import { resolveScope } from "./scope.ts";

/** A token of the local stack lives an hour; a command that runs longer asks for another. */
const tokenLifeMs = 30 * 60_000;

/**
 * Does work against the api in the scope that the options name.
 * @param role - what a token minted by the local stack may do
 * @throws CliError that explains every reason the api gave
 */
export async function withApi<T>(
  options: ScopeOptions,
  role: Role,
  work: (api: ApiClient, scope: Scope) => Promise<T>,
): Promise<T> {
  endWithReader();
  const scope = await resolveScope(options, role);
  const token = keepToken(async () => (await resolveScope(options, role)).token, scope.token);
  try {
    return await work(createApiClient({ apiUrl: scope.apiUrl, token, tenant: scope.tenant, org: scope.org }), scope);
  } catch (error) {
    throw explain(error, scope.apiUrl);
  }
}

/** @returns a function that answers the token and has another one made before it ends */
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

/** Puts an answer of the api into words: one line per reason, each with field, value, rule and remedy. */
export function explain(error: unknown, apiUrl: string): unknown {
  if (!(error instanceof ConnectError)) return error;
  if (error.code === Code.Unavailable && isNoConnection(error.cause)) {
    const message = `the api ${apiUrl} does not answer; is \`automation up\` running, or --api-url right?`;
    return new CliError(3, message, { cause: error });
  }
  const reasons = error.findDetails(ReasonSchema).map((reason) => reasonText(toJson(ReasonSchema, reason)));
  const violations = error
    .findDetails(ViolationsSchema)
    .flatMap((details) => details.violations)
    .map(({ field, message }) => {
      const path = field?.elements.map((element) => element.fieldName).join(".");
      return `${path ?? "request"}: ${message}`;
    });
  const lines = [...reasons, ...violations];
  if (lines.length === 0) return error;
  const code = error.code === Code.InvalidArgument ? 2 : 1;
  return new CliError(code, [error.rawMessage, ...lines.map((line) => `  ${plain(line)}`)].join("\n"), {
    cause: error,
  });
}

function isNoConnection(cause: unknown): boolean {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return ["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ETIMEDOUT", "EAI_AGAIN"].includes(String(code));
}
