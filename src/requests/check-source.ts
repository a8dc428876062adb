import type { Reason } from "../definitions/rejection-reason.ts";
import { reason } from "../definitions/rejection-reason.ts";
import { everyOrg } from "../tenancy/bind-scope.ts";
import type { Scope } from "../tenancy/transaction.ts";
import { isName } from "../text/name.ts";
import type { Claims, CloudEvent } from "./cloudevent.ts";
import type { Delivery } from "./delivery.ts";

/** The operator's permission for a source to send to a topic: for these tenants and orgs, and with these types. */
export interface SourceBinding extends Place {
  readonly source: string;
  readonly tenants: readonly string[];
  /** `*`: every org of these tenants. */
  readonly orgs: readonly string[];
  readonly types: readonly string[];
}

type Place = Pick<Delivery, "bus" | "cluster" | "topic">;

/** @returns why the source may not send this type for the tenant and org that the event names; empty when it may */
export function checkSource(
  bindings: readonly SourceBinding[],
  place: Place,
  { source, tenant, org, type }: Pick<CloudEvent, "source" | "tenant" | "org" | "type">,
): Reason[] {
  const here = bindingsOf(bindings, place, source);
  if (here.length === 0)
    return [
      reason(
        "foreign_source",
        "source",
        source,
        `is not bound to topic ${place.topic} of ${place.bus} cluster ${place.cluster}`,
        "have the operator bind it under `sources`",
      ),
    ];
  const forTenant = here.filter((binding) => binding.tenants.includes(tenant));
  if (forTenant.length === 0)
    return [
      reason(
        "foreign_tenant",
        "tenantid",
        tenant,
        `source ${source} may not speak for this tenant`,
        "have the operator add the tenant to the source",
      ),
    ];
  const forOrg = forTenant.filter(({ orgs }) => orgs.includes(org) || orgs.includes("*"));
  if (forOrg.length === 0)
    return [
      reason(
        "foreign_org",
        "orgid",
        org,
        `source ${source} may not speak for this org of tenant ${tenant}`,
        "have the operator add the org to the source",
      ),
    ];
  if (!forOrg.some((binding) => binding.types.includes(type)))
    return [
      reason(
        "foreign_type",
        "type",
        type,
        `source ${source} may not send this type`,
        "have the operator add the type to the source",
      ),
    ];
  return [];
}

/**
 * Decides who sees a quarantined delivery. Its claims are not proven, so they only choose among the tenants and orgs that its source is bound to.
 * @returns undefined when that leaves no single tenant; org `*`, visible to those who may read every org, when it leaves no single org
 */
export function ownerOf(
  bindings: readonly SourceBinding[],
  place: Place,
  { source, tenant: claimedTenant, org: claimedOrg = "" }: Claims,
): Scope | undefined {
  const here = bindingsOf(bindings, place, source);
  const tenant = boundOne(new Set(here.flatMap(({ tenants }) => tenants)), claimedTenant);
  if (tenant === undefined) return undefined;
  const orgs = new Set(here.filter(({ tenants }) => tenants.includes(tenant)).flatMap((binding) => binding.orgs));
  const everyOrgIsBound = orgs.has(everyOrg) && isName(claimedOrg);
  return { tenant, org: everyOrgIsBound ? claimedOrg : (boundOne(orgs, claimedOrg) ?? everyOrg) };
}

const bindingsOf = (bindings: readonly SourceBinding[], { bus, cluster, topic }: Place, source: string | undefined) =>
  bindings.filter(
    (each) => each.bus === bus && each.cluster === cluster && each.topic === topic && each.source === source,
  );

/** @returns the claimed one if it is bound, else the only bound one, else undefined */
function boundOne(bound: ReadonlySet<string>, claimed: string | undefined): string | undefined {
  if (claimed !== undefined && bound.has(claimed)) return claimed;
  const [only, another] = bound;
  return another === undefined ? only : undefined;
}
