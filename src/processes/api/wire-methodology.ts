import { readFileSync } from "node:fs";
import type { Operator } from "../../config/operator.ts";
import type { ReceiverOf } from "../../methodology/methodology.ts";
import { createReceiverRegistry } from "../../methodology/receiver-registry.ts";

/** The receivers of hand-offs that the operator file names. @throws Error when one of them has an unknown method or protocol, or no token */
export function wireMethodology({ methodologies }: Operator): ReceiverOf {
  const registry = createReceiverRegistry(methodologies, (file) => readFileSync(file, "utf8").trim());
  return (name) => registry.get(name);
}
