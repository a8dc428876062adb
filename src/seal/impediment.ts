import { subjectOf } from "../proof/statements/resource-uri.ts";
import type { RunRow } from "../runs/run-store.ts";

/** One impediment per cause on a work item of a method and an org: the same cause again is another occurrence of it. */
export function impedimentKeyOf(run: RunRow, cause: string) {
  const { kind, id } = subjectOf(run);
  return { tenant: run.tenant, org: run.org, method: run.method, workItem: `${kind}/${id}`, cause };
}
