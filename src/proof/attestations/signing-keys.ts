import type { ListSigningKeysResponseJson } from "../../gen/governance/v1/governance_service_pb.ts";
import type { InTransaction } from "../../tenancy/transaction.ts";
import type { SigningKeys, UseKeys } from "./signer.ts";
import { insertSigningKeys, listKeys } from "./signing-key-store.ts";

/**
 * Publishes keys before anything is signed with them, so that every signature can be checked.
 * @param deps.keys - the keys as they are now
 */
export function createUseKeys(deps: {
  readonly inTransaction: InTransaction;
  readonly now: () => Date;
  readonly keys: () => SigningKeys;
}): UseKeys {
  const published = new Set<string>();
  return async () => {
    const keys = deps.keys();
    const fresh = keys.publicKeys.filter(({ keyId }) => !published.has(keyId));
    if (fresh.length > 0) {
      await deps.inTransaction((transaction) => insertSigningKeys(transaction, fresh, deps.now()));
      for (const { keyId } of fresh) published.add(keyId);
    }
    return keys;
  };
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
