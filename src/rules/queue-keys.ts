import type { QueueLimitJson } from "../gen/workflows_runtime/v1/queue_limit_pb.ts";

const prefix = "QUEUE_LIMIT_SCOPE_";

/**
 * What a run counts under, as limit/scope/value, in a fixed order. What a scope does not have, such as a run without a repository, is not counted.
 * The claim finds the numbers by these names in the rule as it stands then.
 */
export function queueKeysOf(
  limits: readonly QueueLimitJson[],
  values: Readonly<Record<"rule" | "tenant" | "repository" | "profile", string | undefined>>,
): string[] {
  const countedValue = (name: string): string | undefined =>
    Object.entries(values).find(([scope]) => scope === name)?.[1];
  return limits
    .flatMap(({ id = "", scope = `${prefix}UNSPECIFIED` }) => {
      const name = scope.slice(prefix.length).toLowerCase();
      const value = countedValue(name);
      return value === undefined ? [] : [`${id}/${name}/${value}`];
    })
    .toSorted();
}

/** @returns the parts of a key */
export function partsOfQueueKey(
  key: string,
): Required<Pick<QueueLimitJson, "id" | "scope">> & { readonly value: string } {
  const [id = "", name = "", value = ""] = key.split("/");
  return { id, scope: `${prefix}${name.toUpperCase()}` as Required<QueueLimitJson>["scope"], value };
}
