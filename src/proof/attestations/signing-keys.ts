import type { ListSigningKeysResponseJson } from "../../gen/governance/v1/governance_service_pb.ts";
import type { InTransaction } from "../../tenancy/transaction.ts";
import type { PublicKey } from "./signer.ts";
import { insertSigningKeys, listKeys } from "./signing-key-store.ts";

/** Publishes public keys. Called before anything is signed with them, so that every signature can be checked. */
export async function publishSigningKeys(
  deps: { readonly inTransaction: InTransaction; readonly now: () => Date },
  keys: readonly PublicKey[],
): Promise<void> {
  await deps.inTransaction((transaction) => insertSigningKeys(transaction, keys, deps.now()));
}

/** Lists the keys of the installation: every tenant gets the same ones. */
export function createListSigningKeys(deps: { readonly inTransaction: InTransaction }) {
  return async (): Promise<ListSigningKeysResponseJson> => {
    const keys = await deps.inTransaction(listKeys);
    return {
      keys: keys.map(({ keyId, purpose, pem, notBefore, notAfter }) => ({
        keyId,
        purpose: purpose === "verifier" ? "KEY_PURPOSE_VERIFIER" : "KEY_PURPOSE_BUILDER",
        publicKeyPem: pem,
        notBefore: notBefore.toISOString(),
        ...(notAfter === null ? {} : { notAfter: notAfter.toISOString() }),
      })),
    };
  };
}
