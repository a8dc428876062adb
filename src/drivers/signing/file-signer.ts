import type { KeyObject } from "node:crypto";
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { link, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KeyPurpose, PublicKey, Sign } from "../../proof/attestations/signer.ts";

/** The folder of signing keys is not safe or can't be used. */
class UnusableKeyError extends Error {
  override readonly name = "UnusableKeyError";
  readonly code = "unusable_key";
}

const purposes: readonly KeyPurpose[] = ["builder", "verifier"];

/**
 * Signs with Ed25519 keys in files: `DIR/<purpose>.pem`, PKCS #8, readable by their owner only. Missing keys are made; replicas that share the folder get the same keys.
 * @throws UnusableKeyError when others can read the folder or a file, or a file holds no Ed25519 key
 */
export async function openFileSigner(dir: string): Promise<{ sign: Sign; publicKeys: readonly PublicKey[] }> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await assertPrivate(dir, "700");
  const keys = new Map(
    await Promise.all(purposes.map(async (purpose) => [purpose, await open(dir, purpose)] as const)),
  );
  return {
    sign: async (purpose, bytes) => {
      const key = keys.get(purpose);
      if (key === undefined) throw new UnusableKeyError(`there is no key of purpose ${purpose}`);
      return { keyId: key.keyId, signature: sign(null, bytes, key.privateKey) };
    },
    publicKeys: [...keys].map(([purpose, { keyId, pem }]) => ({ purpose, keyId, pem })),
  };
}

/**
 * @param publicKey - Ed25519
 * @returns its OpenSSH fingerprint, as `ssh-keygen -l` shows it; other verifiers accept no other key id
 */
export function fingerprintOf(publicKey: KeyObject): string {
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const wire = Buffer.concat([Buffer.from("ssh-ed25519"), raw].flatMap((field) => [lengthOf(field), field]));
  return `SHA256:${createHash("sha256").update(wire).digest("base64").replace(/=$/, "")}`;
}

async function open(dir: string, purpose: KeyPurpose) {
  const file = join(dir, `${purpose}.pem`);
  await createUnlessThere(dir, file);
  await assertPrivate(file, "600");
  const privateKey = parse(file, await readFile(file));
  const publicKey = createPublicKey(privateKey);
  const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
  return { privateKey, keyId: fingerprintOf(publicKey), pem };
}

/** Linking is atomic, and the first one wins. */
async function createUnlessThere(dir: string, file: string): Promise<void> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const temporary = join(dir, `.${randomUUID()}.pem`);
  const { privateKey } = generateKeyPairSync("ed25519");
  try {
    await writeFile(temporary, privateKey.export({ type: "pkcs8", format: "pem" }), {
      mode: 0o600,
      flag: "wx",
      flush: true,
    });
    await link(temporary, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
}

function parse(file: string, pem: Buffer): KeyObject {
  const remedy = "restore it from a backup; moved away, a new one is made and nothing signed before verifies with it";
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new UnusableKeyError(`${file} holds no private key in PEM; ${remedy}`, { cause });
  }
  if (key.asymmetricKeyType !== "ed25519")
    throw new UnusableKeyError(`${file} holds a key of type ${key.asymmetricKeyType}, ed25519 is required; ${remedy}`);
  return key;
}

async function assertPrivate(path: string, mode: "600" | "700"): Promise<void> {
  const actual = (await stat(path)).mode & 0o777;
  if ((actual & 0o077) !== 0)
    throw new UnusableKeyError(
      `${path} has mode ${actual.toString(8)}, so others may reach the keys; run: chmod ${mode} ${path}`,
    );
}

function lengthOf(field: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(field.byteLength);
  return length;
}
