/** The environment or a configuration file can't be used. The message says where, what and why; it has no values of variables. */
export class UnusableConfigurationError extends Error {
  override readonly name = "UnusableConfigurationError";
  readonly code = "unusable_configuration";
}
