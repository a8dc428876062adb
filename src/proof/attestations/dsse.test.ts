import { describe, expect, it } from "vitest";
import { encodeEnvelope, preAuthEncoding } from "./dsse.ts";

describe("DSSE", () => {
  it("encodes the published vector", () => {
    const encoded = preAuthEncoding("http://example.com/HelloWorld", Buffer.from("hello world"));
    expect(Buffer.from(encoded).toString()).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  });

  it("counts bytes, not characters", () => {
    expect(Buffer.from(preAuthEncoding("é", Buffer.from("✓"))).toString()).toBe("DSSEv1 2 é 3 ✓");
  });

  it("writes padded standard base64, which foreign verifiers insist on", () => {
    const envelope = encodeEnvelope(Buffer.from([0xfb, 0xff]), { keyId: "SHA256:k", signature: Buffer.from([0xff]) });
    expect(Buffer.from(envelope).toString()).toBe(
      '{"payload":"+/8=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"SHA256:k","sig":"/w=="}]}',
    );
  });
});
