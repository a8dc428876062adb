import { findErrorBy } from "@platformatic/kafka";

const codes = ["PLT_KFK_AUTHENTICATION", "PLT_KFK_UNSUPPORTED_API"];
const answers = [
  "TOPIC_AUTHORIZATION_FAILED",
  "GROUP_AUTHORIZATION_FAILED",
  "CLUSTER_AUTHORIZATION_FAILED",
  "SASL_AUTHENTICATION_FAILED",
  "UNSUPPORTED_SASL_MECHANISM",
  "UNSUPPORTED_VERSION",
  "INVALID_GROUP_ID",
  "INVALID_SESSION_TIMEOUT",
  "INCONSISTENT_GROUP_PROTOCOL",
  "INVALID_TOPIC_EXCEPTION",
];

/** Whether an error of the client means missing access, wrong credentials or a broker that can't do what is needed. All other errors may pass. */
export function isBeyondRetrying(error: unknown): boolean {
  const has = (property: string, values: readonly string[]): boolean =>
    error instanceof Error && values.some((value) => findErrorBy(error, property, value) !== null);
  return has("code", codes) || has("apiId", answers);
}
