/** The tree that a run begins from can't be had. */
export class BaseUnavailableError extends Error {
  override readonly name = "BaseUnavailableError";
  readonly code = "base_unavailable";
  readonly reason: string;
  readonly remedy: string;
  /** Whether another attempt may succeed with nothing changed: network, a busy server. */
  readonly isPassing: boolean;

  constructor(reason: string, remedy: string, options: ErrorOptions & { readonly isPassing?: boolean } = {}) {
    super(`${reason}; ${remedy}`, options);
    this.reason = reason;
    this.remedy = remedy;
    this.isPassing = options.isPassing ?? false;
  }
}
