import type { Wanted } from "./transaction.ts";

/** What is wanted, given as the one parameter `$1`, for a query to join: `wanted (tenant, id, version, index)`. */
export const wantedRows = `(
  select tenant, id, version, (n - 1)::int as index
  from rows from (jsonb_to_recordset($1::jsonb) as (tenant text, id text, version text)) with ordinality as w (tenant, id, version, n)
) as wanted`;

/** @returns the parameters of a query over `wantedRows` */
export function wantedValues(wanted: readonly Wanted[]): [string] {
  return [JSON.stringify(wanted.map(({ tenant, id, version }) => ({ tenant, id, version })))];
}
