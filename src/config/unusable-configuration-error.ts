/** What a process is told about its surroundings can't be used; the message says where, what and why, and no values of variables. */
export class UnusableConfigurationError extends Error {
  override readonly name = "UnusableConfigurationError";
  readonly code = "unusable_configuration";
}
