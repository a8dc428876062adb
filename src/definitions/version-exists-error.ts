/** A version is immutable: it is there with other content. */
export class VersionExistsError extends Error {
  override readonly name = "VersionExistsError";
  readonly code = "version_exists";
  constructor(what: string, id: string, version: string) {
    super(
      `${what} "${id}" version "${version}" is already published with other content; publish the change under a new version`,
    );
  }
}
