import type { Operator } from "../../config/operator.ts";
import type { SecretFiles } from "../../config/secret-files.ts";
import { oneLine } from "../../config/secret-files.ts";
import type { ReceiverOf } from "../../methodology/methodology.ts";
import { createReceiverRegistry } from "../../methodology/receiver-registry.ts";

/** The receivers of hand-offs that the operator file names. @throws Error when one of them has an unknown method or protocol, or no token */
export function wireMethodology({ methodologies }: Operator, secrets: SecretFiles): ReceiverOf {
  const registry = createReceiverRegistry(methodologies, (name, file) =>
    secrets.open(`methodology-${name}`, [file], oneLine),
  );
  return (name) => registry.get(name);
}
