/** A version is published once and for ever, and this one is there with other content. */
export class VersionExistsError extends Error {
  override readonly name = "VersionExistsError";
  readonly code = "version_exists";
  constructor(what: string, { id, version, digest }: Version, known: string) {
    super(
      `${what} "${id}" version "${version}" is already published with digest ${known}, and what was sent has ${digest}; publish the change under a new version`,
    );
  }
}

interface Version {
  readonly id: string;
  readonly version: string;
  readonly digest: string;
}

/**
 * @param what - kind of the thing, for the message
 * @param stored - what is there under this id and version
 * @throws VersionExistsError when its content differs
 */
export function assertSameVersion<S extends { readonly digest: string }>(
  what: string,
  sent: Version,
  stored: S | undefined,
): asserts stored is S {
  if (stored?.digest !== sent.digest) throw new VersionExistsError(what, sent, stored?.digest ?? "(none)");
}
