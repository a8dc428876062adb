/** What a key may sign: `builder` evidence of runs, `verifier` verification summaries. */
export type KeyPurpose = "builder" | "verifier";

export interface Signature {
  /** OpenSSH fingerprint of the public key: `SHA256:` and unpadded base64. */
  readonly keyId: string;
  readonly signature: Uint8Array;
}

/** Signs with the key for a purpose. Ed25519: the same bytes always get the same signature. */
export type Sign = (purpose: KeyPurpose, bytes: Uint8Array) => Promise<Signature>;

/** The public half of a signing key. */
export interface PublicKey {
  readonly keyId: string;
  readonly purpose: KeyPurpose;
  /** SPKI, PEM. */
  readonly pem: string;
}

/** A key for each purpose. */
export interface SigningKeys {
  readonly sign: Sign;
  readonly publicKeys: readonly PublicKey[];
}

/** Gives the keys as they are now, which are published. All statements of a run are signed with one answer, so that one key of a purpose checks them. */
export type UseKeys = () => Promise<SigningKeys>;
