import { describe, expect, it } from "vitest";
import { sha256Hex } from "../../artifacts/blobs.ts";
import { preAuthEncoding } from "./dsse.ts";
import { purposeOf, signStatement, UnsignableStatementError } from "./sign-statement.ts";
import type { Sign } from "./signer.ts";

const asked: { purpose: string; bytes: string }[] = [];
const sign: Sign = async (purpose, bytes) => {
  asked.push({ purpose, bytes: Buffer.from(bytes).toString() });
  return { keyId: `key of the ${purpose}`, signature: Buffer.from("signature") };
};
const stored = (predicateType: string, change = "") => {
  const bytes = Buffer.from(JSON.stringify({ predicateType }));
  return { attestationId: "a", name: "n", bytes: Buffer.from(`${bytes}${change}`), sha256: sha256Hex(bytes) };
};

describe("signing a statement", () => {
  it.each([
    ["https://slsa.dev/verification_summary/v1", "verifier"],
    ["https://slsa.dev/provenance/v1", "builder"],
    ["https://in-toto.io/attestation/test-result/v0.1", "builder"],
    ["https://in-toto.io/attestation/reference/v0.1", "builder"],
    ["https://automation.example/proof/agent-run/v1", "builder"],
  ])("takes the key whose purpose covers %s", async (predicateType, purpose) => {
    const statement = stored(predicateType);
    const signed = await signStatement(sign, statement);
    expect(signed).toMatchObject({ keyId: `key of the ${purpose}`, statementSha256: statement.sha256 });
    const signedBytes = Buffer.from(preAuthEncoding("application/vnd.in-toto+json", statement.bytes)).toString();
    expect(asked.at(-1)).toEqual({ purpose, bytes: signedBytes });
  });

  it("refuses a predicate that no key covers, and bytes that are not the recorded ones", async () => {
    const before = asked.length;
    expect(() => purposeOf("https://example.com/other/v1")).toThrow(UnsignableStatementError);
    await expect(signStatement(sign, stored("https://example.com/other/v1"))).rejects.toThrow(/no signing key covers/);
    await expect(signStatement(sign, stored("https://slsa.dev/provenance/v1", " "))).rejects.toThrow(
      /not the one that was prepared/,
    );
    expect(asked).toHaveLength(before);
  });
});
