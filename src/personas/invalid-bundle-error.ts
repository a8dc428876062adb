/** A bundle, or the folder it is made of, is not one that can be published. */
export class InvalidBundleError extends Error {
  override readonly name = "InvalidBundleError";
  readonly code = "invalid_bundle";
}
