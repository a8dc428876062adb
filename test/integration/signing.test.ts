import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fingerprintOf } from "../../src/drivers/signing/file-signer.ts";
import { openKeys } from "../support/builders/signing-keys.ts";

let root: string;
let dir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "keys-"));
  dir = join(root, "keys");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const publicKeysOf = async (folder: string) => (await openKeys(folder))().publicKeys;

describe("keys in files", () => {
  it("are made once per purpose, for their owner alone, and found again", async () => {
    const [first, replica] = await Promise.all([publicKeysOf(dir), publicKeysOf(dir)]);
    expect(replica).toEqual(first);
    expect(await publicKeysOf(dir)).toEqual(first);
    expect(new Set(first.map((key) => key.keyId)).size).toBe(2);
    expect(readdirSync(dir).sort()).toEqual(["builder.pem", "verifier.pem"]);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "builder.pem")).mode & 0o777).toBe(0o600);
  });

  it("sign the same bytes with the same signature, each purpose with its own key", async () => {
    const { sign, publicKeys } = (await openKeys(dir))();
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
    await openKeys(dir);
    chmodSync(join(dir, "verifier.pem"), 0o640);
    await expect(openKeys(dir)).rejects.toThrow(/verifier\.pem has mode 640, .*chmod 600 /);
    chmodSync(join(dir, "verifier.pem"), 0o600);
    chmodSync(dir, 0o777);
    await expect(openKeys(dir)).rejects.toThrow(/has mode 777, .*chmod 700 /);
  });

  it("are taken as they are from a volume, whose files are another's and whose folder is sticky", async () => {
    await openKeys(dir);
    chmodSync(dir, 0o1777);
    expect(await publicKeysOf(dir)).toHaveLength(2);
    const isRoot = process.getuid?.() === 0;
    for (const file of ["builder.pem", "verifier.pem"]) {
      chmodSync(join(dir, file), 0o444);
      if (isRoot) chownSync(join(dir, file), 12_345, 12_345); // only root can give a file to another
    }
    if (isRoot) expect(await publicKeysOf(dir)).toHaveLength(2);
    else await expect(openKeys(dir)).rejects.toThrow(/chmod 600/);
  });

  it("sign with the new key once it is there, and go on with the one before while the file holds none", async () => {
    const told: string[] = [];
    const keys = await openKeys(dir, told);
    const bytes = Buffer.from("statement");
    const before = keys();
    writeFileSync(join(dir, "builder.pem"), "-----BEGIN PRIVATE KEY-----\nhalf", { mode: 0o600 });
    expect((await keys().sign("builder", bytes)).keyId).toBe((await before.sign("builder", bytes)).keyId);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/builder\.pem holds no private key in PEM; .*; the one before stays in use/);
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const fresh = privateKey.export({ type: "pkcs8", format: "pem" });
    writeFileSync(join(dir, "builder.new"), fresh, { mode: 0o600 });
    renameSync(join(dir, "builder.new"), join(dir, "builder.pem"));
    const after = keys();
    const signed = await after.sign("builder", bytes);
    expect(signed.keyId).toBe(fingerprintOf(publicKey));
    expect(verify(null, bytes, publicKey, signed.signature)).toBe(true);
    expect((await before.sign("builder", bytes)).keyId, "statements of one run").not.toBe(signed.keyId);
    expect(after.publicKeys.map(({ purpose, keyId }) => [purpose, keyId])).toEqual([
      ["builder", signed.keyId],
      ["verifier", before.publicKeys.find(({ purpose }) => purpose === "verifier")?.keyId],
    ]);
  });

  it("are refused when they are no Ed25519 keys", async () => {
    mkdirSync(dir, { mode: 0o700 });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const file = join(dir, "builder.pem");
    writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    await expect(openKeys(dir)).rejects.toThrow(/type ec, ed25519 is required/);
    writeFileSync(file, "garbage", { mode: 0o600 });
    await expect(openKeys(dir)).rejects.toThrow(/holds no private key in PEM/);
    expect(readFileSync(file, "utf8")).toBe("garbage");
  });
});
