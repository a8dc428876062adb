/** What an object is, by its bytes. */
export interface ObjectDigest {
  /** sha256, lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** What rooms ask of the store of blobs. Every call is bounded in time. */
export interface ObjectStore {
  /**
   * Stores bytes under a key that is written once; the store checks their sha256 on arrival.
   * @returns `present` when the key was taken, by whatever bytes
   */
  putOnce(
    key: string,
    body: Uint8Array,
    meta: { readonly sha256: string; readonly contentType: string },
    signal?: AbortSignal,
  ): Promise<"stored" | "present">;
  /** Reads the whole object and digests it; undefined when there is none. */
  digestOf(key: string, signal?: AbortSignal): Promise<ObjectDigest | undefined>;
  /** A URL that gives the bytes to anybody who has it, as a download of that name, until it expires. */
  urlFor(key: string, download: { readonly fileName: string; readonly expiresSeconds: number }): Promise<string>;
}
