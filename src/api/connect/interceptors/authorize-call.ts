import type { DescMethod } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { Permission } from "../../../gen/automation/v1/method_options_pb.ts";
import type { Authenticator } from "../../../tenancy/authenticate.ts";
import { bindScope, platformScope } from "../../../tenancy/bind-scope.ts";
import { assertMay, isPrivileged } from "../../../tenancy/permissions.ts";
import type { RecordAudit } from "../../../tenancy/record-audit.ts";
import type { Principal } from "../../../tenancy/request-context.ts";
import { auditEntry, outcomeOf } from "./audit.ts";
import type { ToConnectError } from "./errors.ts";
import { permissionOf } from "./permission-of.ts";
import { correlationIdKey, requestContextKey } from "./request-context.ts";

export const correlationHeader = "x-correlation-id";

/** Decides by the headers alone who calls, for which tenant, and whether they may, before the message is read: authn → tenant → authz. */
export function createAuthorizeCall(deps: {
  readonly authenticate: Authenticator["authenticate"];
  readonly recordAudit: RecordAudit;
  readonly toConnectError: ToConnectError;
  readonly newId: () => string;
}): (context: HandlerContext) => Promise<void> {
  const authorize = async (principal: Principal, method: DescMethod, correlationId: string): Promise<void> => {
    const permission = permissionOf(method);
    try {
      assertMay(principal, permission, method.name);
    } catch (error) {
      if (isPrivileged(permission))
        await deps.recordAudit(auditEntry(principal, method, outcomeOf(error), correlationId));
      throw error;
    }
  };
  return async ({ values, requestHeader, responseHeader, method }) => {
    const correlationId = usableId(requestHeader.get(correlationHeader)) ?? deps.newId();
    values.set(correlationIdKey, correlationId);
    responseHeader.set(correlationHeader, correlationId);
    try {
      const identity = await deps.authenticate(requestHeader.get("authorization"));
      const { subject, roles } = identity;
      const principal =
        permissionOf(method) === Permission.PLATFORM
          ? { ...platformScope, subject, roles }
          : bindScope(identity, (name) => requestHeader.get(name));
      await authorize(principal, method, correlationId);
      values.set(requestContextKey, { principal, expiresAt: identity.expiresAt });
    } catch (error) {
      throw deps.toConnectError(error, { correlationId, method });
    }
  };
}

function usableId(sent: string | null): string | undefined {
  return sent !== null && /^[A-Za-z0-9._:-]{1,128}$/.test(sent) ? sent : undefined;
}
