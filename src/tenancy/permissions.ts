import { Permission } from "../gen/automation/v1/method_options_pb.ts";
import { everyOrg, orgHeader } from "./bind-scope.ts";
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

/** The call makes or changes what belongs to an org, and names none. */
export class OrgRequiredError extends Error {
  override readonly name = "OrgRequiredError";
  readonly code = "org_required";
  constructor(method: string) {
    super(
      `${method} makes or changes what belongs to one org: name it in the header ${orgHeader} instead of "${everyOrg}", which only reads`,
    );
  }
}

const rolesOf: Readonly<Partial<Record<Permission, readonly string[]>>> = {
  [Permission.READ]: ["viewer", "operator", "admin"],
  [Permission.OPERATE]: ["operator", "admin"],
  [Permission.DECLARE]: ["admin"],
  [Permission.WORK]: ["worker"],
  [Permission.PLATFORM]: ["platform"],
};

/** What is declared is the tenant's; what people ask for and workers report is an org's. */
const needsOneOrg: readonly Permission[] = [Permission.OPERATE, Permission.WORK];

/** @throws ForbiddenError, OrgRequiredError */
export function assertMay(principal: Pick<Principal, "org" | "roles">, permission: Permission, method: string): void {
  const needed = rolesOf[permission] ?? [];
  if (!principal.roles.some((role) => needed.includes(role))) throw new ForbiddenError(method, principal.roles, needed);
  if (principal.org === everyOrg && needsOneOrg.includes(permission)) throw new OrgRequiredError(method);
}

const privileged: readonly Permission[] = [Permission.OPERATE, Permission.DECLARE, Permission.PLATFORM];

/** @returns whether a call of this permission is kept in the audit log: it changes what people see or declare, or reads what belongs to no tenant */
export function isPrivileged(permission: Permission): boolean {
  return privileged.includes(permission);
}
