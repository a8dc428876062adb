import { Permission } from "../gen/automation/v1/method_options_pb.ts";
import { everyOrg, orgHeader } from "./bind-scope.ts";
import type { Principal } from "./request-context.ts";

/** None of the caller's roles may call the method. */
class ForbiddenError extends Error {
  override readonly name = "ForbiddenError";
  readonly code = "forbidden";
  constructor(method: string, has: readonly string[], needs: readonly string[]) {
    super(
      `${method} needs role ${needs.join(" or ") || "that nobody has"}; the token has ${has.join(", ") || "none"}: get a token with that role`,
    );
  }
}

/** The call writes what belongs to an org, but its scope is every org. */
class OrgRequiredError extends Error {
  override readonly name = "OrgRequiredError";
  readonly code = "org_required";
  constructor(method: string) {
    super(
      `${method} writes what belongs to one org: name it in the header ${orgHeader}; "${everyOrg}" is for reading only`,
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

/** Declarations belong to the tenant; requests and reports belong to an org. */
const needsOneOrg: readonly Permission[] = [Permission.OPERATE, Permission.WORK];

/** @throws ForbiddenError, OrgRequiredError */
export function assertMay(principal: Pick<Principal, "org" | "roles">, permission: Permission, method: string): void {
  const needed = rolesOf[permission] ?? [];
  if (!principal.roles.some((role) => needed.includes(role))) throw new ForbiddenError(method, principal.roles, needed);
  if (principal.org === everyOrg && needsOneOrg.includes(permission)) throw new OrgRequiredError(method);
}

const privileged: readonly Permission[] = [Permission.OPERATE, Permission.DECLARE, Permission.PLATFORM];

/** @returns whether calls with this permission go to the audit log: they write, or read what belongs to no tenant */
export function isPrivileged(permission: Permission): boolean {
  return privileged.includes(permission);
}
