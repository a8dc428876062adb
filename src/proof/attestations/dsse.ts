import type { Signature } from "./signer.ts";

/** The payload type that all verifiers accept; some refuse more specific ones. */
export const inTotoPayloadType = "application/vnd.in-toto+json";

/**
 * The bytes to sign, by DSSE v1.0.2: `DSSEv1 <length> <type> <length> <body>`, lengths in bytes as ASCII decimals.
 * @see https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
 */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const head = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

/** @returns the envelope's JSON, with fixed field order and padded standard base64: the same statement and signature give the same bytes */
export function encodeEnvelope(payload: Uint8Array, { keyId, signature }: Signature): Uint8Array {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return Buffer.from(
    JSON.stringify({
      payload: base64(payload),
      payloadType: inTotoPayloadType,
      signatures: [{ keyid: keyId, sig: base64(signature) }],
    }),
  );
}
