/** A profile hands over to a receiver that the operator file does not have. */
export class UnknownReceiverError extends Error {
  override readonly name = "UnknownReceiverError";
  readonly code = "unknown_receiver";
  /** @param known - the receivers that the operator file has, to be shown */
  constructor(receiver: string, known: readonly string[] = []) {
    const has = known.length === 0 ? "" : `, which has ${known.join(", ")}`;
    super(
      `handoff.receiver "${receiver}" of the profile is not below "methodologies" in the operator file${has}; use a receiver that is, or have it added there`,
    );
  }
}

/** A profile hands over to a receiver that serves another methodology. */
export class ReceiverMethodError extends Error {
  override readonly name = "ReceiverMethodError";
  readonly code = "receiver_method";
  constructor(receiver: string, served: string, method: string) {
    super(
      `handoff.receiver "${receiver}" serves method "${served}" and the profile is of method "${method}"; use a receiver that serves "${method}"`,
    );
  }
}

/** @param served - the receiver's method @param method - the profile's @throws ReceiverMethodError when they differ */
export function assertServes(receiver: string, served: string, method: string): void {
  if (served !== method) throw new ReceiverMethodError(receiver, served, method);
}
