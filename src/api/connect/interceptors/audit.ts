import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { AuditEntry } from "../../../tenancy/audit-entry.ts";
import { isPrivileged } from "../../../tenancy/permissions.ts";
import type { RecordAudit } from "../../../tenancy/record-audit.ts";
import type { Principal } from "../../../tenancy/request-context.ts";
import { methodName, permissionOf } from "./permission-of.ts";
import { correlationIdKey, principalOf } from "./request-context.ts";

/** Writes one audit record per privileged call, whatever its outcome. When the record can't be written, the call fails and the caller repeats it. */
export function createAudit(deps: { readonly recordAudit: RecordAudit }): Interceptor {
  return (next) => async (request) => {
    const { method, contextValues } = request;
    if (!isPrivileged(permissionOf(method))) return next(request);
    const record = (outcome: string) =>
      deps.recordAudit(
        auditEntry(principalOf({ values: contextValues }), method, outcome, contextValues.get(correlationIdKey)),
      );
    const answer = await next(request).catch(async (error: unknown) => {
      await record(outcomeOf(error));
      throw error;
    });
    await record("ok");
    return answer;
  };
}

export function auditEntry(
  { tenant, org, subject }: Principal,
  method: DescMethod,
  outcome: string,
  correlationId: string,
): AuditEntry {
  return { tenant, org, principal: subject, action: methodName(method), outcome, correlationId };
}

/** @returns the error's stable code, lower-case; `internal` for one that has none */
export function outcomeOf(error: unknown): string {
  if (error instanceof ConnectError)
    return (Code[error.code] ?? "internal").replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase();
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[a-z_]+$/.test(code) ? code : "internal";
}
