import { Permission } from "../gen/automation/v1/method_options_pb.ts";
import type { Principal } from "./request-context.ts";

/** The principal's roles don't reach the method. */
export class ForbiddenError extends Error {
  override readonly name = "ForbiddenError";
  readonly code = "forbidden";
  constructor(method: string, has: readonly string[], needs: readonly string[]) {
    super(
      `${method} needs role ${needs.join(" or ") || "that nobody has"}; the token has ${has.join(", ") || "none"}: ask for a token of that role`,
    );
  }
}

const rolesOf: Readonly<Partial<Record<Permission, readonly string[]>>> = {
  [Permission.READ]: ["viewer", "operator", "admin"],
  [Permission.OPERATE]: ["operator", "admin"],
  [Permission.DECLARE]: ["admin"],
  [Permission.WORK]: ["worker"],
};

/** @throws ForbiddenError */
export function assertMay(principal: Pick<Principal, "roles">, permission: Permission, method: string): void {
  const needed = rolesOf[permission] ?? [];
  if (!principal.roles.some((role) => needed.includes(role))) throw new ForbiddenError(method, principal.roles, needed);
}

/** @returns whether a call of this permission is kept in the audit log: it changes what people see or declare */
export function isPrivileged(permission: Permission): boolean {
  return permission === Permission.OPERATE || permission === Permission.DECLARE;
}
