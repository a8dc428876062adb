/** What an object is, by its bytes. */
export interface ObjectDigest {
  /** sha256, lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** One PUT of bytes that were named before: its length is theirs, and it carries exactly these headers. The key is taken: 412. */
export interface PutGrant {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Bytes that are read as they are sent. */
export interface StreamedBody {
  readonly sizeBytes: number;
  /** Begins anew with each call. */
  readonly read: () => AsyncIterable<Uint8Array>;
}

/** What rooms ask of the store of blobs. Every call is bounded in time. */
export interface ObjectStore {
  /**
   * Stores bytes under a key that is written once; the store checks their sha256 on arrival.
   * @returns `present` when the key was taken, by whatever bytes
   */
  putOnce(
    key: string,
    body: Uint8Array | StreamedBody,
    meta: { readonly sha256: string; readonly contentType: string },
    signal?: AbortSignal,
  ): Promise<"stored" | "present">;
  /** Reads the whole object and digests it; undefined when there is none. */
  digestOf(key: string, signal?: AbortSignal): Promise<ObjectDigest | undefined>;
  /** Reads a whole object; undefined when there is none, or one of more than `maxBytes`. */
  read(key: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Lets anybody who has the grant store these very bytes under a key that has none yet, until it expires. */
  grantPut(
    key: string,
    what: {
      /** sha256, lower-case hex. */
      readonly sha256: string;
      readonly sizeBytes: number;
      readonly contentType: string;
      readonly expiresSeconds: number;
    },
  ): Promise<PutGrant>;
  /** A URL that gives the bytes to anybody who has it, as a download of that name, until it expires. */
  urlFor(key: string, download: { readonly fileName: string; readonly expiresSeconds: number }): Promise<string>;
}
