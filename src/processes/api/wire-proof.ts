import { createGetAttestation, createListAttestations } from "../../proof/attestations/list-attestations.ts";
import { createListSigningKeys } from "../../proof/attestations/signing-keys.ts";
import type { InScope, InTransaction } from "../../tenancy/transaction.ts";

/** Signed evidence, and the keys to check it with. */
export function wireProof(deps: { readonly inReadScope: InScope; readonly inTransaction: InTransaction }) {
  const { inReadScope: inScope, inTransaction } = deps;
  return {
    getAttestation: createGetAttestation({ inScope }),
    listAttestations: createListAttestations({ inScope }),
    listSigningKeys: createListSigningKeys({ inTransaction }),
  };
}
