import { sha256Hex } from "../../artifacts/blobs.ts";
import { provenanceType } from "../statements/provenance-if-completed.ts";
import { referenceType } from "../statements/reference.ts";
import { testResultType } from "../statements/test-result.ts";
import { verificationSummaryType } from "../statements/verification-summary.ts";
import { encodeEnvelope, inTotoPayloadType, preAuthEncoding } from "./dsse.ts";
import type { KeyPurpose, Sign } from "./signer.ts";

/** A stored statement must not be signed: its bytes are not the prepared ones, or no key may sign its predicate type. */
export class UnsignableStatementError extends Error {
  override readonly name = "UnsignableStatementError";
  readonly code = "unsignable_statement";
}

/** The bytes of a statement and the digest that was recorded for them. */
export interface StoredStatement {
  readonly attestationId: string;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

export interface SignedStatement {
  readonly attestationId: string;
  readonly statementSha256: string;
  readonly keyId: string;
  readonly envelope: Uint8Array;
}

/**
 * Signs a statement with the key for its predicate type.
 * @throws UnsignableStatementError when the bytes do not have the recorded digest, or no key may sign the predicate type
 */
export async function signStatement(sign: Sign, statement: StoredStatement): Promise<SignedStatement> {
  const { attestationId, bytes, sha256 } = statement;
  if (sha256Hex(bytes) !== sha256)
    throw new UnsignableStatementError(
      `statement ${attestationId} is not the one that was prepared: its sha256 is ${sha256Hex(bytes)}, recorded is ${sha256}`,
    );
  const purpose = purposeOf(predicateTypeOf(bytes));
  const signature = await sign(purpose, preAuthEncoding(inTotoPayloadType, bytes));
  return { attestationId, statementSha256: sha256, keyId: signature.keyId, envelope: encodeEnvelope(bytes, signature) };
}

const builderTypes: ReadonlySet<string> = new Set([provenanceType, testResultType, referenceType]);

/**
 * A verifier key signs verdicts and nothing else; a builder key never signs one.
 * @throws UnsignableStatementError
 */
export function purposeOf(predicateType: string): KeyPurpose {
  if (predicateType === verificationSummaryType) return "verifier";
  if (builderTypes.has(predicateType) || predicateType.endsWith("/agent-run/v1")) return "builder";
  throw new UnsignableStatementError(`no signing key covers predicate type "${predicateType}"`);
}

function predicateTypeOf(bytes: Uint8Array): string {
  const { predicateType } = JSON.parse(Buffer.from(bytes).toString()) as { predicateType?: unknown };
  return typeof predicateType === "string" ? predicateType : "";
}
