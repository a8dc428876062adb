/** Something can't be declared as it stands; every fault names its field. */
export class InvalidDeclarationError extends Error {
  override readonly name = "InvalidDeclarationError";
  readonly code = "invalid_declaration";
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(faults.join("; "));
    this.faults = faults;
  }
}

/** @throws InvalidDeclarationError when there are faults */
export function assertDeclarable(faults: readonly string[]): void {
  if (faults.length > 0) throw new InvalidDeclarationError(faults);
}

/** Largest declared thing, bytes of its proto JSON: one decision holds many at once. */
const largestBytes = 256 * 1024;

/** @param field - what it is, for the message */
export function faultOfSize(declared: object, field: string): string[] {
  const bytes = Buffer.byteLength(JSON.stringify(declared));
  if (bytes <= largestBytes) return [];
  return [`${field} has ${bytes} bytes as JSON and may have ${largestBytes}; shorten what is long in it, or split it`];
}
