import { isName, namePattern } from "../text/name.ts";
import { shownText } from "../text/strangers-text.ts";
import type { Identity } from "./authenticate.ts";
import type { Principal } from "./request-context.ts";
import type { Scope } from "./transaction.ts";

/** A scope header is missing or malformed. */
class InvalidScopeError extends Error {
  override readonly name = "InvalidScopeError";
  readonly code = "invalid_scope";
}

/** The token is not valid for the named tenant or org. */
class ForeignScopeError extends Error {
  override readonly name = "ForeignScopeError";
  readonly code = "foreign_scope";
  constructor(what: string, value: string) {
    super(`the token is not valid for ${what} "${value}"; name one that it is valid for, or get another token`);
  }
}

export const tenantHeader = "x-tenant-id";
export const orgHeader = "x-scope-orgid";

/** All orgs of a tenant; read-only. */
export const everyOrg = "*";
/** Scope of what belongs to no tenant; no tenant can have this name. */
export const platformScope: Scope = { tenant: "*", org: everyOrg };

/**
 * Decides for which tenant and org a call is made, from its two headers; neither has a default. With a token for every org the header names one org, or `*`.
 * @throws InvalidScopeError, ForeignScopeError
 */
export function bindScope(identity: Identity, header: (name: string) => string | null): Principal {
  const tenant = named(tenantHeader, header(tenantHeader));
  const org = header(orgHeader) === everyOrg ? everyOrg : named(orgHeader, header(orgHeader));
  const { subject, roles } = identity;
  // one worker serves all tenants; for all other roles "*" is not a tenant
  const speaksForAllTenants = identity.tenants.includes("*") && roles.join() === "worker";
  if (!identity.tenants.includes(tenant) && !speaksForAllTenants) throw new ForeignScopeError("tenant", tenant);
  if (!identity.orgs.includes(org) && !identity.orgs.includes(everyOrg)) throw new ForeignScopeError("org", org);
  return { tenant, org, subject, roles };
}

function named(header: string, value: string | null): string {
  if (value === null || value === "") throw new InvalidScopeError(`the header ${header} is required on every call`);
  if (isName(value)) return value;
  throw new InvalidScopeError(`the header ${header} "${shownText(value, 80)}" must match ${namePattern.source}`);
}
