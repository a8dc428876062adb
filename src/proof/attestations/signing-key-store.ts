import type { Transaction } from "../../tenancy/transaction.ts";
import type { KeyPurpose, PublicKey } from "./signer.ts";

export interface SigningKeyRow {
  readonly keyId: string;
  readonly purpose: KeyPurpose;
  readonly pem: string;
  readonly notBefore: Date;
  readonly notAfter: Date | null;
}

/** Adds unknown public keys; a known one keeps its validity window. */
export async function insertSigningKeys(
  transaction: Transaction,
  keys: readonly PublicKey[],
  notBefore: Date,
): Promise<void> {
  await transaction.query(
    `insert into signing_keys (key_id, purpose, public_key_pem, not_before)
     select k.*, $4 from unnest($1::text[], $2::text[], $3::text[]) as k on conflict do nothing`,
    [keys.map((key) => key.keyId), keys.map((key) => key.purpose), keys.map((key) => key.pem), notBefore],
  );
}

/** All keys that were ever published, newest first. */
export async function listKeys(transaction: Transaction): Promise<SigningKeyRow[]> {
  const { rows } = await transaction.query<SigningKeyRow>(
    `select key_id as "keyId", purpose, public_key_pem as pem, not_before as "notBefore", not_after as "notAfter"
     from signing_keys order by not_before desc, key_id`,
  );
  return rows;
}
