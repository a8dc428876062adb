import type { RefJson } from "../gen/automation/v1/ref_pb.ts";
import type { AttachmentJson } from "../gen/graph/v1/graph_service_pb.ts";
import type { PageCursor } from "../tenancy/page-token.ts";
import type { Scope, Transaction } from "../tenancy/transaction.ts";

/** An element with its newest version. */
export interface ElementRow {
  readonly elementId: string;
  readonly typeKey: string;
  readonly name: string;
  readonly version: number;
  readonly runId: string;
  readonly attachments: AttachmentJson[];
  readonly createdAt: Date;
  readonly relationships: { readonly typeKey: string; readonly target: RefJson }[];
}

/** Adds a version of an element and its relationships, and the element when it is new. Locks the element's row until the transaction ends. */
export async function addElementVersion(
  transaction: Transaction,
  { tenant, org }: Scope,
  element: Pick<ElementRow, "elementId" | "typeKey" | "name" | "runId" | "attachments" | "createdAt" | "relationships">,
): Promise<void> {
  const { elementId, typeKey, name, runId, attachments, createdAt, relationships } = element;
  await Promise.all([
    transaction.query(
      `insert into elements (tenant, org, element_id, type_key, name, created_at) values ($1, $2, $3, $4, $5, $6)
       on conflict (tenant, org, element_id) do update set name = excluded.name`,
      [tenant, org, elementId, typeKey, name, createdAt],
    ),
    transaction.query(
      `with versions as (
         insert into element_versions (tenant, org, element_id, version, run_id, attachments, created_at)
         select $1, $2, $3, coalesce(max(version), 0) + 1, $4, $5, $6 from element_versions where tenant = $1 and org = $2 and element_id = $3
       )
       insert into element_relationships (tenant, org, element_id, type_key, target_kind, target_id, target)
       select $1, $2, $3, r->>'typeKey', r->'target'->>'kind', r->'target'->>'id', r->'target' from jsonb_array_elements($7::jsonb) r
       on conflict do nothing`,
      [tenant, org, elementId, runId, JSON.stringify(attachments), createdAt, JSON.stringify(relationships)],
    ),
  ]);
}

/** Elements with a relationship to a reference, newest version first, at most `limit`. */
export async function listElementsOf(
  transaction: Transaction,
  tenant: string,
  target: { readonly kind: string; readonly id: string },
  after: PageCursor | undefined,
  limit: number,
): Promise<ElementRow[]> {
  const { rows } = await transaction.query<ElementRow>(
    `select e.element_id as "elementId", e.type_key as "typeKey", e.name, v.version, v.run_id as "runId", v.attachments, v.created_at as "createdAt",
       (select coalesce(jsonb_agg(jsonb_build_object('typeKey', r.type_key, 'target', r.target) order by r.type_key, r.target_kind, r.target_id), '[]')
        from element_relationships r where r.tenant = e.tenant and r.org = e.org and r.element_id = e.element_id) as relationships
     from elements e
     cross join lateral (
       select * from element_versions x where x.tenant = e.tenant and x.org = e.org and x.element_id = e.element_id order by x.version desc limit 1) v
     where e.tenant = $1
       and exists (
         select from element_relationships t
         where t.tenant = e.tenant and t.org = e.org and t.element_id = e.element_id and t.target_kind = $2 and t.target_id = $3)
       and ($4::timestamptz is null or (v.created_at, e.element_id) < ($4, $5::uuid))
     order by v.created_at desc, e.element_id desc limit $6`,
    [tenant, target.kind, target.id, after?.at ?? null, after?.id ?? null, limit],
  );
  return rows;
}
