import type { QueueFairnessJson } from "../gen/workflows_runtime/v1/queue_fairness_pb.ts";
import type { QueueLimitJson } from "../gen/workflows_runtime/v1/queue_limit_pb.ts";

const prefix = "QUEUE_LIMIT_SCOPE_";

/**
 * What a run counts under, as limit/scope/value, in a fixed order. What a scope does not have, such as a run without a repository, is not counted.
 * The claim finds the numbers by these names in the rule as it stands then.
 */
export function queueKeysOf(limits: readonly QueueLimitJson[], values: CountedValues): string[] {
  return limits
    .flatMap(({ id = "", scope }) => {
      const counted = countedBy(scope, values);
      return counted === undefined ? [] : [`${id}/${counted}`];
    })
    .toSorted();
}

/** @returns what a run shares its turns with, as scope/value; empty: with all that have none */
export function fairnessKeyOf(fairness: QueueFairnessJson | undefined, values: CountedValues): string {
  return countedBy(fairness?.by, values) ?? "";
}

/** What the scopes of limits mean for one run. */
type CountedValues = Readonly<Record<"rule" | "tenant" | "repository" | "profile", string | undefined>>;

/** @returns scope/value; undefined when the run has no such value */
function countedBy(scope: QueueLimitJson["scope"] = `${prefix}UNSPECIFIED`, values: CountedValues): string | undefined {
  const name = scope.slice(prefix.length).toLowerCase();
  const value = Object.entries(values).find(([each]) => each === name)?.[1];
  return value === undefined ? undefined : `${name}/${value}`;
}

/** @returns the parts of a key */
export function partsOfQueueKey(
  key: string,
): Required<Pick<QueueLimitJson, "id" | "scope">> & { readonly value: string } {
  const [id = "", name = "", ...value] = key.split("/");
  return { id, scope: `${prefix}${name.toUpperCase()}` as Required<QueueLimitJson>["scope"], value: value.join("/") };
}
