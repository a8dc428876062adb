import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fingerprintOf, openFileSigner } from "../../src/drivers/signing/file-signer.ts";

let root: string;
let dir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "keys-"));
  dir = join(root, "keys");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("keys in files", () => {
  it("are made once per purpose, for their owner alone, and found again", async () => {
    const [first, replica] = await Promise.all([openFileSigner(dir), openFileSigner(dir)]);
    expect(replica.publicKeys).toEqual(first.publicKeys);
    expect((await openFileSigner(dir)).publicKeys).toEqual(first.publicKeys);
    expect(new Set(first.publicKeys.map((key) => key.keyId)).size).toBe(2);
    expect(readdirSync(dir).sort()).toEqual(["builder.pem", "verifier.pem"]);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "builder.pem")).mode & 0o777).toBe(0o600);
  });

  it("sign the same bytes with the same signature, each purpose with its own key", async () => {
    const { sign, publicKeys } = await openFileSigner(dir);
    const bytes = Buffer.from("statement");
    const [builder, again, verifier] = await Promise.all([
      sign("builder", bytes),
      sign("builder", bytes),
      sign("verifier", bytes),
    ]);
    expect(again).toEqual(builder);
    const pemOf = (purpose: string) => publicKeys.find((key) => key.purpose === purpose)?.pem ?? "";
    expect(verify(null, bytes, pemOf("builder"), builder.signature)).toBe(true);
    expect(verify(null, bytes, pemOf("builder"), verifier.signature)).toBe(false);
    expect(builder.keyId).toBe(publicKeys.find((key) => key.purpose === "builder")?.keyId);
  });

  it("have the fingerprint that ssh-keygen -l shows for the same key", () => {
    const wire = Buffer.from("AAAAC3NzaC1lZDI1NTE5AAAAIDTb04sOlgYGWIayS4gHNaZ11ZrHbe0Hb1xL+PkNs7qB", "base64");
    const x = wire.subarray(-32).toString("base64url");
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    expect(fingerprintOf(key)).toBe("SHA256:YrR6SEPN1nkXtL6f/CQlO2s1eJwtsWj8irzcYaS3GMQ");
  });

  it("are refused with a remedy when others may reach them", async () => {
    await openFileSigner(dir);
    chmodSync(join(dir, "verifier.pem"), 0o640);
    await expect(openFileSigner(dir)).rejects.toThrow(/verifier\.pem has mode 640, .*chmod 600 /);
    chmodSync(join(dir, "verifier.pem"), 0o600);
    chmodSync(dir, 0o755);
    await expect(openFileSigner(dir)).rejects.toThrow(/has mode 755, .*chmod 700 /);
  });

  it("are refused when they are no Ed25519 keys", async () => {
    mkdirSync(dir, { mode: 0o700 });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const file = join(dir, "builder.pem");
    writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    await expect(openFileSigner(dir)).rejects.toThrow(/type ec, ed25519 is required/);
    writeFileSync(file, "garbage", { mode: 0o600 });
    await expect(openFileSigner(dir)).rejects.toThrow(/holds no private key in PEM/);
    expect(readFileSync(file, "utf8")).toBe("garbage");
  });
});
