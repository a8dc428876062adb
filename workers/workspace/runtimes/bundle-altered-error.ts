/** What came for a digest is not the bundle that was pinned, or no bundle that may be unpacked. */
export class BundleAlteredError extends Error {
  override readonly name = "BundleAlteredError";
  readonly code = "bundle_altered";
  readonly digest: string;

  constructor(digest: string, rule: string, options?: ErrorOptions) {
    super(
      `bundle ${digest} is refused: ${rule}; publish the persona again under a new version, and ask for a new run`,
      options,
    );
    this.digest = digest;
  }
}
