/** Digest and size of an object. */
export interface ObjectDigest {
  /** sha256, lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** Permission for one PUT of known bytes, sent with exactly these headers. The store answers 412 when the key is taken. */
export interface PutGrant {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** An object as a list shows it. */
export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** By the store's clock. */
  readonly storedAt: Date;
}

/** A body that is read while it is sent. */
export interface StreamedBody {
  readonly sizeBytes: number;
  /** Each call reads from the start. */
  readonly read: () => AsyncIterable<Uint8Array>;
}

/** The object store, as rooms use it. Every call has a time limit. */
export interface ObjectStore {
  /**
   * Stores bytes under a key that nobody has written yet; the store checks their sha256.
   * @returns `present` when the key is taken, whatever its bytes are
   */
  putOnce(
    key: string,
    body: Uint8Array | StreamedBody,
    meta: { readonly sha256: string; readonly contentType: string },
    signal?: AbortSignal,
  ): Promise<"stored" | "present">;
  /** Reads the whole object to compute its digest; undefined when there is none. */
  digestOf(key: string, signal?: AbortSignal): Promise<ObjectDigest | undefined>;
  /** Reads a whole object; undefined when there is none, or when it is larger than `maxBytes`. */
  read(key: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Objects whose keys begin with the prefix, by key, at most a thousand. @param after - key of the last one of the page before */
  list(prefix: string, after: string | undefined, signal?: AbortSignal): Promise<ListedObject[]>;
  /** Makes an object as young as one that is stored now: whoever relies on one that was there before tells those who remove old ones. */
  refresh(key: string, signal?: AbortSignal): Promise<void>;
  /** Removes an object unless it is younger, or was refreshed since. @returns whether it is gone */
  removeStoredBefore(key: string, time: Date, signal?: AbortSignal): Promise<boolean>;
  /** Lets anybody who has the grant store these bytes once, until it expires. */
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
  /** A URL from which anybody who has it can download the object under that file name, until it expires. */
  urlFor(key: string, download: { readonly fileName: string; readonly expiresSeconds: number }): Promise<string>;
}
